# Runs what prepares a node for a job, unless nothing that it depends on has changed since it last
# succeeded. Set before this text: folder, state (a folder for its log and digest), command.
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
(umask 077 && mkdir -p "$state") && rm -f "$state/done" || exit
sh -c "$command" </dev/null >"$state/log" 2>&1
status=$?
if [ "$status" = 0 ]; then
  printf '%s\n' "$now" >"$state/done" || exit
  echo done
else
  echo "failed $status"
  tail -n 20 "$state/log" | cut -c 1-500
fi
