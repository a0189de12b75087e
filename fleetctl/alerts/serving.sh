# Notes that a server watches the fleet, and prints which ones do.
# Set before this text: dir id line; private.sh is put before it.
# A server has a file of its own: the node's time, and `line`. Prints the node's time, whether the
# file was written, and the files of all. What is older than ten minutes is removed.
umask 077
written=no
if mkdir -p "$dir" && private "${dir%/*}/." "$dir" && cd "$dir"; then
  printf '%s %s\n' "$(date +%s)" "$line" >"$id.new" && mv -f "$id.new" "$id" && written=yes
  find . ! -name . -prune -type f -mmin +10 -exec rm -f {} \;
else
  exit 1
fi
echo "$(date +%s) $written"
count=0
for file in *; do
  [ -f "$file" ] && [ ! -L "$file" ] || continue
  count=$((count + 1))
  [ "$count" -le 16 ] || break
  head -c 4000 "$file" | head -n 1
done
