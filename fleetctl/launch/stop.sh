# Ends one instance: its processes and all that they forked.
# Set before this text: dir fleet job instance signal grace (in seconds).
# Prints what it does, one of these a line:
#   "signalled N", "killed N", "left PID..." (not ended even by KILL), "done EXIT_CODE",
#   "windows ID...", "unread PID" (it gave up, for the reason on stderr; PID: what the record names)
# Which processes belong to it: members.sh, which is put before this text, as is reach.sh.
# Nothing here depends on being able to write: the disk may be full. "done" is said only of a process
# list that could be read and in which nothing of the instance is.
window() { # FORMAT: printed for each window of this instance
  tmux -u -L fleetctl list-panes -a -F "#{session_name}|#{@fleetctl_job}|#{@fleetctl_instance}|$1" \
    2>/dev/null | sed -n "s/^$fleet|$job|$instance|//p"
}

recorded= over= locked=
give_up() {
  [ -n "$over" ] || echo "unread $recorded"
  [ -z "$locked" ] || rmdir lock 2>/dev/null
}

look() { # sets now, the processes of the instance
  now=$(members state) || exit 1
}

umask 077
trap '' PIPE # go on if the controller no longer reads
trap give_up EXIT
trap 'exit 1' HUP INT TERM
if [ -d "$dir" ]; then # what is known is read without a fork, of which there may be none
  cd -P "$dir" || exit 1
  folder=$PWD
  while IFS='=' read -r key value; do
    case $key in pid) recorded=$value ;; esac
  done 2>/dev/null <state
else # it was removed while it ran, or nothing was ever started
  cd && cd -P . && folder=$PWD/${dir#"$HOME"/}
  now=$(members) || exit 1
  if [ -z "$now" ] && [ -z "$(window x)" ]; then
    echo "done"
    over=1
    exit 0
  fi
  mkdir -p "$dir"
  cd "$dir" || exit 1
fi
leave_group() { # SIGNAL: to what goes on beside the supervisor, where it lives
  read -r line <member.pid && [ "$(birth "${line%% *}")" = "$line" ] && kill -s "$1" "${line%% *}"
} 2>/dev/null
boot=$(this_boot) # the first fork: where that fails, the shell says so
rm -rf boot booted # it is not to come back at boot, also if the power fails now
tenths=50
until mkdir lock 2>/dev/null || [ ! -d lock ]; do # another controller starts it, which is quick,
  [ "$tenths" -gt 0 ] || { touch lock; break; }   # or died and left its lock
  sleep 0.1; tenths=$((tenths - 1))
done
locked=1
{ true >stop; } 2>/dev/null # where `:` has no room for a file, dash ends
rm -rf boot booted # of a start that was under way
leave_group USR1 # first, so that no end is taken for a failure

also= # what members.sh shall know besides the state file
supervisors=
note() { # NAME RUN supervisor|group PID: a supervisor, or a group, by the start of its leader
  born=$(birth "$4")
  also="$also
$1:run=$2
$1:boot=$boot
$1:$3=${born:-$4}"
}
reach_tmux state
for line in $(window '#{@fleetctl_run}=#{?pane_dead,,#{pane_pid}}'); do
  pid=${line#*=}
  note "window${line%%=*}" "${line%%=*}" supervisor "${pid:-0}"
done
roots=1
look
roots=
supervisors=$(echo "$now" | awk '$4 == "supervised" { print $2 }' | sort -u)

# Groups once seen are remembered: what is left in one may have no mark.
note_groups() {
  for line in $(echo "$now" | awk '$3 != "-" { print $1 "=" $3 }' | sort -u); do
    note "group${line#*=}" "${line%%=*}" group "${line#*=}"
  done
}

send() { # SIGNAL: to every process of the last look
  for group in $(echo "$now" | awk '$3 != "-" { print $3 }' | sort -u); do
    kill -s "$1" -- "-$group" 2>/dev/null
  done
  for pid in $(echo "$now" | awk '$3 == "-" { print $2 }'); do kill -s "$1" "$pid" 2>/dev/null; done
}

count() { echo "$now" | awk 'NF { n++ } END { print n + 0 }'; }

clock() { # hundredths of a second; by the clock of the day, where there is no other, whole seconds
  if read -r up idle 2>/dev/null </proc/uptime; then
    echo $((${up%.*} * 100 + 1${up#*.} - 100))
  else
    echo $(($(date +%s) * 100))
  fi
}

gone_within() { # HUNDREDTHS
  began=$(clock) slept=0 step=0
  [ -r /proc/uptime ] || step=100 # a whole second may be over at once
  while look; [ -n "$now" ]; do
    [ $(($(clock) - began)) -lt $(($1 + step)) ] && [ "$slept" -lt "$1" ] || return 1
    touch lock # keep it from looking stale
    sleep 0.1; slept=$((slept + 10))
  done
}

end_all() { # of the last look
  note_groups
  send "$signal"
  echo "signalled $(count)"
  look
  send CONT
  gone_within "$(awk -v s="$grace" 'BEGIN { print int(s * 100) }')" && return
  note_groups
  send KILL
  echo "killed $(count)"
  gone_within 500
}

lives() { # PID: a zombie does not
  kill -0 "$1" 2>/dev/null || return
  if [ -d /proc/self ]; then { read -r line <"/proc/$1/stat"; } 2>/dev/null && line=${line##*\) }
  else line=$(ps -o stat= -p "$1")
  fi
  case $line in Z*) false ;; esac
}

supervisors_end() {
  tenths=30
  for pid in $supervisors; do
    while lives "$pid" && [ "$tenths" -gt 0 ]; do sleep 0.1; tenths=$((tenths - 1)); done
    lives "$pid" && kill -s KILL "$pid" && sleep 0.1 # it would begin again
  done
}

# After TERM a supervisor restarts nothing; it exits once its command has ended.
for pid in $supervisors; do kill -s TERM "$pid"; kill -s CONT "$pid"; done 2>/dev/null
look
[ -z "$now" ] || end_all
supervisors_end
look
[ -z "$now" ] || { end_all; supervisors_end; look; } # its command was only just beginning
left=$(echo "$now" | awk '{ print $2 }')
rm -rf spec spec.new account account.new ready files spare
code=$(sed -n 's/^exit=\([0-9]*\)$/\1/p' state 2>/dev/null)
if [ -n "$left" ]; then echo "left" $left; else
  leave_group KILL
  rm -f supervisor logger prober health unwell stop member member.pid member.said told apart
  { tr -d '\0' <state | sed -n '/^phase=/d;/^pid=/d;/^ended=/d;/^[a-z]*=/p' &&
    echo phase=stopped && echo "ended=$(date +%s)"; } 2>/dev/null >state.new && mv state.new state ||
    rm -f state state.new # without a record it counts as stopped too
  echo "done" $code
fi
over=1
echo "windows" $(window '#{window_id}')
