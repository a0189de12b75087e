# Runs what prepares a node for a job, unless nothing that it depends on has changed since it last
# succeeded. Set before this text: folder, state (a folder for its output and digest), command.
# On stdin: the files that it depends on, a line each, relative to the folder.
# Prints "same" or "done"; or "failed EXIT_CODE" and the last lines of its output; or "no folder".
# It runs with the tools' PATH of all scripts, and an empty stdin.
if ! cd "$folder" 2>/dev/null; then
  echo "no folder"
  exit
fi
digest() {
  {
    printf '%s\n' "$folder" "$command"
    while IFS= read -r each; do
      printf '%s ' "$each"
      if [ -r "$each" ] && [ ! -d "$each" ]; then cksum <"$each"; else echo none; fi
    done
  } | cksum
}
now=$(digest)
if [ "$now" = "$(cat "$state/done" 2>/dev/null)" ]; then
  echo same
  exit
fi
output=$state/output # segments, as logger.sh writes them: each run begins one
(umask 077 && mkdir -p "$output") && rm -f "$state/done" && cd "$output" || exit
last=$(ls | sed -n 's/^\([0-9]*\)\.log$/\1/p' | sort -n | tail -n 1)
start=0
[ -z "$last" ] || start=$((last + $(wc -c <"$last.log")))
: >>"$start.log" || exit
for old in *.log *.idx; do
  case $old in "$start.log") ;; *) rm -f "$old" ;; esac
done
(cd "$OLDPWD" && exec sh -c "$command" </dev/null) >>"$start.log" 2>&1
status=$?
[ -z "$(tail -c 1 "$start.log")" ] || echo >>"$start.log"
echo "$(date +%s) $((start + $(wc -c <"$start.log")))" >"$start.idx"
if [ "$status" = 0 ]; then
  printf '%s\n' "$now" >"$state/done" || exit
  echo done
else
  echo "failed $status"
  tail -n 20 "$start.log" | cut -c 1-500
fi
