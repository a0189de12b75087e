# Of paths on stdin, a line each: for a link "link TARGET", else "file SHA256", or "none".
LC_ALL=C
export LC_ALL
cd "$folder" || exit
if command -v sha256sum >/dev/null; then
  digest() { sha256sum; }
else
  digest() { shasum -a 256; } # macOS
fi
while IFS= read -r each; do
  if [ -L "$each" ]; then
    printf 'link %s\n' "$(readlink -- "$each")"
  elif found=$(digest <"$each") 2>/dev/null; then
    echo "file ${found%% *}"
  else
    echo none
  fi
done
