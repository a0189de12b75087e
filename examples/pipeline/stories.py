"""The text that the model learned: tiny stories, made up anew from a stock of sentences.

Everything here was written for this example. ``python3 stories.py 3`` prints three of them.
"""

from __future__ import annotations

import random
import re
import sys

HEROES = (
    ("fox", "Finn", "he"),
    ("mouse", "Mia", "she"),
    ("bear", "Bruno", "he"),
    ("hare", "Hanna", "she"),
    ("owl", "Olga", "she"),
    ("frog", "Fred", "he"),
    ("cat", "Clara", "she"),
    ("hedgehog", "Hugo", "he"),
    ("duck", "Dora", "she"),
    ("robot", "Rolf", "he"),
    ("dragon", "Dina", "she"),
    ("goat", "Gus", "he"),
    ("elephant", "Emil", "he"),
    ("kangaroo", "Kim", "she"),
    ("vole", "Vera", "she"),
    ("penguin", "Paul", "he"),
    ("newt", "Nora", "she"),
    ("yak", "Yuri", "he"),
    ("zebra", "Zoe", "she"),
    ("jackdaw", "Jack", "he"),
    ("quail", "Queenie", "she"),
    ("lynx", "Xaver", "he"),
    ("iguana", "Ida", "she"),
    ("unicorn", "Una", "she"),
    ("turtle", "Tom", "he"),
    ("lion", "Leo", "he"),
    ("wolf", "Wanda", "she"),
    ("squirrel", "Sam", "he"),
    ("parrot", "Pia", "she"),
    ("ant", "Anton", "he"),
)
KINDS = ("small", "young", "brave", "shy", "sleepy", "clever", "hungry", "cheerful")
HOMES = (
    "in a forest",
    "by a lake",
    "on a green hill",
    "under an old oak",
    "in a tower",
    "behind a mill",
    "near the sea",
    "in a quiet garden",
)
THINGS = ("lamp", "kite", "boat", "bell", "book", "drum", "map", "clock", "red hat", "key")
WHENS = ("One morning", "One day", "One evening", "One windy night", "In spring", "In winter")
OPENINGS = (
    "Once upon a time there was a {kind} {animal} called {name}.",
    "There was once a {kind} {animal}. {She} was called {name}.",
    "Long ago a {kind} {animal} lived {home}. {Her} name was {name}.",
    "A {kind} {animal} called {name} lived {home}.",
)
HOUSES = (
    "{She} had a {thing}, and nothing else.",
    "{Her} house was {home}. In it was a {thing}.",
    "{She} had a {thing} and loved it more than honey.",
    "What {she} liked best was {her} {thing}.",
)
TROUBLES = (
    ("{when} the {thing} was gone.", "{when} {she} could not find the {thing}."),
    ("{when} the wind took the {thing} away.", "{when} the {thing} fell into the river."),
    ("{when} the {thing} broke in two.", "{when} the {thing} did not work any more."),
)
FEELINGS = (
    "{name} was sad.",
    "{name} sat down and cried.",
    '"Oh no!" said {name}.',
    "{name} did not know what to do.",
    '"Where is my {thing}?" said {name}.',
)
MEETINGS = (
    "Then a {other} came along the road.",
    "A {other} heard it and came to the door.",
    "On the way {she} met a {other}.",
    "{She} went to the {other}, who knew many things.",
)
OFFERS = (
    '"I can help you," said the {other}.',
    '"Do not cry," said the {other}. "We will look together."',
    '"Let us try it together," said the {other}.',
    '"Two can do more than one," said the {other}.',
)
ENDINGS = (
    (
        "They looked under every stone, and there was the {thing}.",
        "They looked all day, and at last they found the {thing} in the grass.",
    ),
    (
        "They ran after it, and the {other} caught the {thing}.",
        "They took a long stick and got the {thing} back.",
    ),
    (
        "They worked all night, and in the morning the {thing} was as good as new.",
        "The {other} had some glue, and soon the {thing} was whole again.",
    ),
)
CLOSINGS = (
    "From that day on they were friends.",
    "{name} thanked the {other}, and they ate some cake.",
    "{name} laughed, and they danced until the moon came up.",
    "Then they went home and slept well.",
    "And {name} was never alone again.",
)


def story(rng: random.Random) -> str:
    """One story of 250 to 450 characters, in one line."""
    animal, name, she = rng.choice(HEROES)
    other = rng.choice([hero[0] for hero in HEROES if hero[0] != animal])
    kind_of_trouble = rng.randrange(len(TROUBLES))
    sentences = [
        rng.choice(OPENINGS),
        rng.choice(HOUSES),
        rng.choice(TROUBLES[kind_of_trouble]),
        rng.choice(FEELINGS),
        rng.choice(MEETINGS),
        rng.choice(OFFERS),
        rng.choice(ENDINGS[kind_of_trouble]),
        rng.choice(CLOSINGS),
    ]
    words = {
        "animal": animal,
        "name": name,
        "she": she,
        "She": she.capitalize(),
        "her": "her" if she == "she" else "his",
        "Her": "Her" if she == "she" else "His",
        "other": other,
        "kind": rng.choice(KINDS),
        "home": rng.choice(HOMES),
        "thing": rng.choice(THINGS),
        "when": rng.choice(WHENS),
    }
    return re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", " ".join(sentences).format(**words))


if __name__ == "__main__":
    chance = random.Random()
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        print(story(chance))  # noqa: T201
