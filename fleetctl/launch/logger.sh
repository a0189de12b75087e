# fleetctl's logger: appends a pane's output to segments, files named by the offset of their first
# byte, so that a reader can continue at any byte, also across rotation.
#   sh logger DIR/log SEGMENT_BYTES SEGMENTS_KEPT
# NUMBER.idx beside NUMBER.log has lines "epoch-second offset": when the log had grown to offset.
LC_ALL=C; export LC_ALL
cd "$1" || exec cat >/dev/null
exec 2>/dev/null # on a full disk much is said, and a pipe that nobody reads would stop the log
limit=$2 keep=$3

segments() { ls | sed -n 's/^\([0-9]*\)\.log$/\1/p' | sort -n; }

begin() { # OFFSET: make the segment that starts there the current one
  start=$1
  true >>"$start.log" # where `:` has no room for a file, dash ends
  stamp
  for old in $(segments | sort -rn | sed "1,${keep}d"); do rm -f "$old.log" "$old.idx"; done
  [ -z "$sampler" ] || kill "$sampler" 2>/dev/null
  sample & sampler=$!
}

stamp() {
  seen=$(wc -c <"$start.log")
  printf '%s %s\n' "$(date +%s)" $((start + seen)) >>"$start.idx"
}

sample() { # once a second, while the logger lives and only if something was written
  while sleep 1 && kill -0 $$ 2>/dev/null; do
    [ "$(wc -c <"$start.log")" -eq "$seen" ] || stamp
  done
}

sampler=
last=$(segments | tail -n 1)
if [ -z "$last" ]; then begin 0
elif [ "$(wc -c <"$last.log")" -ge "$limit" ]; then begin $((last + $(wc -c <"$last.log")))
else begin "$last"
fi

# dd writes each read at once, and never reads more than it writes. "0+0 records in": end of input.
lost=
mark() { # where output was lost; fails while there is no room for that
  [ -z "$lost" ] ||
    { printf '\nfleetctl: output was lost here, the disk was full\n' >>"$start.log" && lost=; }
}
while :; do
  if mark; then said=$(dd bs=65536 count=128 2>&1 >>"$start.log") || lost=1
  else said=$(dd bs=65536 count=1 2>&1 >/dev/null) # or tmux would keep it all in memory
  fi
  case $said in 0+0*) break ;; esac
  size=$(wc -c <"$start.log")
  [ "$size" -lt "$limit" ] || begin $((start + size))
done
mark
kill "$sampler" 2>/dev/null
stamp
