# Reads an instance's log on its node. Set before this text: dir (of the segments) and what to do:
#   mode=from offset=N limit=N   print at most limit bytes from offset on
#   mode=last lines=N            print the last lines
#   mode=since seconds=N         print nothing; the head line has the offset at that time
#   mode=index offset=N          print lines "SECOND OFFSET": when the log had grown beyond offset
#   mode=follow offset=N         print from offset on, and go on as the segment grows
# The first line printed is "FROM END": the offsets of the first byte that follows and of the end.
segments() { ls | sed -n 's/^\([0-9]*\)\.log$/\1/p' | sort -n; }
if ! { cd "$dir" 2>/dev/null && [ -n "$(segments)" ]; }; then
  [ "$mode" = follow ] || { echo "0 0"; exit 0; }
  echo "$offset $offset"
  { until cd "$dir" 2>/dev/null && [ -n "$(segments)" ]; do sleep 0.3; done; echo "next 0" >&2; } &
  cat >/dev/null # until there is a log, or the connection is closed
  kill $!
  exit 0
fi
for try in 1 2 3; do
  now=$(segments)
  [ -n "$now" ] || break
  set -- $now
  first=$1
  for last in "$@"; do :; done
  size=$(wc -c 2>/dev/null <"$last.log") && break # else it was rotated away meanwhile
done
end=$((last + ${size:-0}))

clamp() { # limits offset to what exists
  [ "$offset" -ge "$first" ] || offset=$first
  [ "$offset" -le "$end" ] || offset=$end
}

from_offset() { # stops at a segment that is rotated away meanwhile: offsets would not match
  for at in "$@"; do
    skip=0; [ "$at" -ge "$offset" ] || skip=$((offset - at))
    size=$(wc -c <"$at.log") || return
    [ $((at + size)) -le "$offset" ] || tail -c +$((skip + 1)) "$at.log" || return
  done
}

case $mode in
from)
  clamp
  [ $((end - offset)) -le "$limit" ] || end=$((offset + limit))
  echo "$offset $end"
  from_offset "$@" | head -c $((end - offset))
  ;;
last)
  offset=$last # the last segment is read; all of them only if it has too few lines
  count() { from_offset "$@" | head -c $((end - offset)) | tail -n "$n" | wc "$want"; }
  n=$((lines + 1)) want=-l # one more than asked for: a segment may begin within a line
  [ "$(count "$@")" -ge "$n" ] || offset=$first
  n=$lines want=-c
  bytes=$(count "$@")
  offset=$((end - bytes))
  echo "$offset $end"
  from_offset "$@" | head -c "$bytes"
  ;;
since)
  offset=$first
  for at in "$@"; do
    found=$(awk -v since="$seconds" '$1 < since { o = $2 } END { print o }' "$at.idx" 2>/dev/null)
    offset=${found:-$offset}
  done
  if [ "$offset" -gt "$first" ]; then # the index may point into the middle of a line
    offset=$((offset - 1))
    offset=$((offset + $(from_offset "$@" | head -n 1 | wc -c)))
  fi
  echo "$offset $end"
  ;;
index)
  echo "$first $end"
  for at in "$@"; do cat "$at.idx" 2>/dev/null; done | awk -v from="$offset" '$2 >= from'
  ;;
follow)
  clamp
  look() { # the size of the segment "here", and the next segment, if "here" is complete
    next=$(segments | awk -v here="$here" '$1 > here' | head -n 1)
    size=$(wc -c <"$here.log") || again
  }
  told=
  again() { # "here" was rotated away: the reader asks again
    [ -n "$told" ] || echo "$offset $offset"
    echo "next 0" >&2
    exit 0
  }
  for at in "$@"; do [ "$at" -gt "$offset" ] || here=$at; done
  look
  if [ -n "$next" ] && [ $((here + size)) -le "$offset" ]; then # nothing is left in it
    here=$next offset=$next
    look
  fi
  echo "$offset $end"
  told=yes
  skip=$((offset - here))
  while [ -n "$next" ]; do
    tail -c +$((skip + 1)) "$here.log" || again
    [ $((here + size)) -eq "$next" ] || again # bytes are missing between the two
    here=$next skip=0
    look
  done
  tail -c +$((skip + 1)) -f "$here.log" &
  tail=$!
  # Once the next segment exists, this one is complete. The next one's offset goes to stderr: a
  # reader that has read up to that byte has all of this one, and asks again.
  while :; do
    look
    # tail fails on a segment that is rotated away
    kill -0 $tail 2>/dev/null || { sleep 0.3; next=0; }
    [ -z "$next" ] || { echo "next $next" >&2; break; }
    sleep 0.3
  done &
  watch=$!
  cat >/dev/null # until the connection is closed, so that no process outlives it
  kill $tail $watch 2>/dev/null
  ;;
esac
true
