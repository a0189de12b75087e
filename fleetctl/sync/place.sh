# Puts what was sent into its place, by rename. Set before this text: folder, stage (the folder in it
# with what was sent), state (for what the next sync has to know).
# On stdin: "-PATH" to delete a file, "/PATH" a folder if it is empty, "+DIGEST PATH" for `sent`,
# "=LINE" for `there`, and "*PATH" for what was sent: `there` gets what stat(1) says of it. What is
# not staged was the same already (rsync leaves out links that are). "@KEY" stands for all of `sent`,
# for look.sh. The last line is "." alone.
LC_ALL=C
export LC_ALL
trap '' HUP INT TERM PIPE # from here on to the end
trap 'rm -rf "$stage"' EXIT
cd "$folder" || exit
umask 077
mkdir -p "$state" && cat >"$state/new" || exit
umask 022
if [ "$(tail -n 1 "$state/new")" != . ]; then
  echo "less arrived than was sent" >&2
  exit 65
fi
{
  sed -n 's/^=//p' "$state/new"
  sed -n 's/^\*//p' "$state/new" | describe
  if [ -d "$stage" ]; then
    (cd "$stage" && find . ! -type d | sed 's|^\./||' | describe)
  fi
  echo
} >"$state/told" || exit
# of each path the last line, in the order of look.sh
awk 'NF { path = $0; sub(/^[^ ]+ [^ ]+ [^ ]+ /, "", path); last[path] = $0 }
  END { for (path in last) print last[path] }' "$state/told" | sort -k 4 >"$state/there.new" || exit
sed -n 's/^+//p' "$state/new" >"$state/sent.new" || exit
sed -n 's/^@//p' "$state/new" >"$state/key.new" || exit
pwd -P >"$state/folder.new" || exit

sed -n 's/^-//p' "$state/new" | tr '\n' '\000' | xargs -0 rm -f -- || exit
sed -n 's|^/||p' "$state/new" | tr '\n' '\000' | xargs -0 rmdir -- 2>/dev/null
if [ -d "$stage" ]; then
  (cd "$stage" && find . -type d) | tr '\n' '\000' | xargs -0 mkdir -p -- || exit
  (cd "$stage" && find . -type d) >"$state/folders" || exit
  wrong=
  while IFS= read -r each; do
    (
      cd "$stage/$each" &&
        find . ! -name . -prune ! -type d \
          -exec sh -c 'to=$1; shift; exec mv -f -- "$@" "$to"' sh "$folder/$each/" {} +
    ) || wrong=1
  done <"$state/folders"
  [ -z "$wrong" ] || exit 1
fi
for each in folder sent there key; do
  mv -f "$state/$each.new" "$state/$each" || exit
done
rm -f "$state/new" "$state/told" "$state/folders"
