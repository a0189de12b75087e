# Appends a line to .actions of a folder, which is made if it is missing.
# Set before this text: dir line most; private.sh is put before it.
# The node's time is added to the line, in one write, so that two controllers do not mix. A line
# begins at a new one even where the last one was torn. What is older than about `most` bytes is
# the file beside; the one before that is gone. Exits with 1, and the reason, if it is not written.
umask 077
mkdir -p "$dir" || exit 1
private "${dir%/*}/." "$dir" || exit 1
cd "$dir" || exit 1
for file in .actions .actions.1; do
  if [ -L "$file" ] || { [ -e "$file" ] && [ ! -f "$file" ]; }; then
    echo "$dir/$file is no regular file" >&2
    exit 1
  fi
done
full() { [ -e .actions ] && [ "$(($(wc -c <.actions)))" -ge "$most" ]; }
if full; then
  find .actions.lock -prune -mmin +1 -exec rmdir {} \; 2>/dev/null # its owner died
  if mkdir .actions.lock 2>/dev/null; then
    full && mv -f .actions .actions.1 # whoever has it open goes on writing there
    rmdir .actions.lock
  fi
fi
printf '\n%s"node_s":%s}\n' "$line" "$(date +%s)" >>.actions || exit 1
