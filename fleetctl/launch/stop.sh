# Ends one instance: its processes and all that they forked.
# Set before this text: dir fleet job instance signal grace. Prints what it does, one of these a line:
#   "signalled N", "killed N", "left PID..." (not ended even by KILL), "done EXIT_CODE",
#   "windows ID..."
# Which processes belong to it: members.sh, which is put before this text.
# Nothing here depends on being able to write: the disk may be full.
window() { # FORMAT: printed for each window of this instance
  tmux -u -L fleetctl list-panes -a -F "#{session_name}|#{@fleetctl_job}|#{@fleetctl_instance}|$1" \
    2>/dev/null | sed -n "s/^$fleet|$job|$instance|//p"
}

umask 077
[ -d "$dir" ] || [ -z "$(window x)" ] || mkdir -p "$dir" # the folder was removed while it ran
cd "$dir" 2>/dev/null || { echo "done"; exit 0; }
trap '' PIPE # go on if the controller no longer reads
tenths=50
until mkdir lock 2>/dev/null || [ ! -d lock ]; do # another controller starts it, which is quick,
  [ "$tenths" -gt 0 ] || { touch lock; break; }   # or died and left its lock
  sleep 0.1; tenths=$((tenths - 1))
done
trap 'rmdir lock 2>/dev/null' EXIT
trap 'exit 1' HUP INT TERM
{ : >stop; } 2>/dev/null

boot=$(this_boot)
also= # what members.sh shall know besides the state file
supervisors=
note() { # NAME RUN supervisor|group PID: a supervisor, or a group, by the start of its leader
  born=$(birth "$4")
  also="$also
$1:run=$2
$1:boot=$boot
$1:$3=${born:-$4}"
}
for line in $(window '#{@fleetctl_run}=#{?pane_dead,,#{pane_pid}}'); do
  pid=${line#*=}
  note "window${line%%=*}" "${line%%=*}" supervisor "${pid:-0}"
  supervisors="$supervisors $pid"
done

ours() { members state; }

ours >/dev/null || { echo "awk cannot tell which of the processes are its own" >&2; exit 1; }

# Groups once seen are remembered: what is left in one may have no mark.
note_groups() {
  for line in $(ours | awk '$3 != "-" { print $1 "=" $3 }' | sort -u); do
    note "group${line#*=}" "${line%%=*}" group "${line#*=}"
  done
}

send() { # SIGNAL: to every process of the instance; prints how many there are
  now=$(ours)
  for group in $(echo "$now" | awk '$3 != "-" { print $3 }' | sort -u); do
    kill -s "$1" -- "-$group" 2>/dev/null
  done
  for pid in $(echo "$now" | awk '$3 == "-" { print $2 }'); do kill -s "$1" "$pid" 2>/dev/null; done
  echo "$now" | awk 'NF { n++ } END { print n + 0 }'
}

gone_within() { # SECONDS
  tenths=$(awk -v s="$1" 'BEGIN { print int(s * 10) }')
  while [ -n "$(ours)" ]; do
    [ "$tenths" -gt 0 ] || return 1
    touch lock # keep it from looking stale
    sleep 0.1; tenths=$((tenths - 2))
  done
}

end_all() {
  [ -n "$(ours)" ] || return
  note_groups
  echo "signalled $(send "$signal")"
  send CONT >/dev/null
  gone_within "$grace" && return
  note_groups
  echo "killed $(send KILL)"
  gone_within 5
}

supervisors_end() {
  tenths=30
  for pid in $supervisors; do
    while kill -0 "$pid" 2>/dev/null && [ "$tenths" -gt 0 ]; do
      case $(ps -o stat= -p "$pid") in Z*) break ;; esac
      sleep 0.1; tenths=$((tenths - 1))
    done
  done
}

# After TERM a supervisor restarts nothing; it exits once its command has ended.
for pid in $supervisors; do kill -s TERM "$pid" 2>/dev/null; done
end_all
supervisors_end
[ -z "$(ours)" ] || { end_all; supervisors_end; } # its command was only just beginning
left=$(ours | awk '{ print $2 }')
rm -f spec spec.new ready
code=$(sed -n 's/^exit=//p' state 2>/dev/null)
if [ -n "$left" ]; then echo "left" $left; else
  rm -f supervisor logger prober health unwell stop
  { sed '/^phase=/d;/^pid=/d;/^ended=/d' state && echo phase=stopped &&
    echo "ended=$(date +%s)"; } 2>/dev/null >state.new && mv state.new state ||
    rm -f state state.new # without a record it counts as stopped too
  echo "done" $code
fi
echo "windows" $(window '#{window_id}')
