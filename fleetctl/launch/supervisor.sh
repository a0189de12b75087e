# fleetctl's supervisor: runs one instance's command, records how it ended, restarts it by policy.
# It is the process of a tmux pane, and needs no connection to the controller.
#   sh supervisor DIR          supervises what DIR/spec says, and records it in DIR/state, with the
#                              environment of DIR/account
#   sh supervisor DIR RESTARTS SUPERVISOR leads the command's process group, exits with its exit code
#   sh supervisor DIR RESTARTS SUPERVISOR GROUP becomes the command
#   sh supervisor DIR groups   prints the process groups of the run
# SUPERVISOR and GROUP are "PID START" of the first and the second, by which the processes of the run
# are found (members.sh, which is put before this text).
# If DIR/stop exists, `fleetctl stop` ends the command: do not restart it.
# If DIR/spec has the part of a member, member_program.py goes on beside it, and says what its job wants by
# DIR/told, "RUN RESTARTS WORD WHY": to end, or to begin again with the others.

# tmux's server keeps the environment of the day it was started; the account's of now is in DIR/account.
if [ $# -eq 1 ] && [ -r "$1/account" ]; then
  for name in $(export -p | sed -n 's/^export \([A-Za-z_][A-Za-z_0-9]*\).*/\1/p'); do
    case $name in
      TERM* | TMUX | TMUX_PANE | _ | UID | EUID | PPID | SHELLOPTS | BASHOPTS) ;;
      *) unset "$name" ;;
    esac
  done
  . "$1/account"
  rm -f "$1/account"
  also= roots= folder=
fi
dir=$1
if [ $# -eq 2 ]; then
  members "$dir/state" | awk '$3 != "-" { print $3 }' | sort -u
  exit
fi
. "$dir/spec"

# By one printf, which fails on a full disk: what is there then stays. So that it need not, DIR/spare
# takes as much room as a record.
record() { # PHASE KEY=VALUE...
  phase=$1; shift
  set -- "run=$run" "phase=$phase" "restarts=$restarts" "started=$started" "pid=$pid" "log=$log" \
    "boot=$(this_boot)" "up=$up" "supervisor=$supervisor" "group=$group" ${words:+"words=$words"} "$@"
  for file in spare state.new; do
    printf '%s\n' "$@" >"$dir/state.new" && mv "$dir/state.new" "$dir/state" && break
    rm -f "$dir/$file"
  done 2>/dev/null
  [ -e "$dir/spare" ] || printf '%s\n' "$@" 2>/dev/null >"$dir/spare"
}

# One line for each begin and end of an attempt, for controllers that did not watch. Its last word
# is a dot, so that a line of which a power cut left only a part is none.
past() { # WORD...
  { printf '%s .\n' "$*"; } 2>/dev/null >>"$dir/past"
}

if [ $# -eq 3 ]; then
  # Signals to the group are for the command, not for this shell. This level has no job control:
  # with it, a stopped command would count as ended, and Ctrl-C would end the loop below in bash.
  trap : HUP INT QUIT USR1 USR2 ALRM TERM
  trap : ABRT 2>/dev/null # which zsh calls IOT
  # In a script some shells (zsh, mksh) give a job its group, but not the terminal, as dash and bash do.
  if line=; read -r line </proc/$$/stat && (set -- ${line##*[)] }; [ "$6" -gt 0 ] && [ "$3" != "$6" ]); then
    python3 -c 'import os, signal
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
os.tcsetpgrp(0, os.getpgrp())'
  fi 2>/dev/null
  exec 4>&2 2>/dev/null # what this shell says of a signal would be taken for the command's own words
  sh "$dir/supervisor" "$dir" "$2" "$3" "$(birth $$)" 2>&4 4>&-
  exit $?
fi
if [ $# -gt 3 ]; then
  restarts=$2 supervisor=$3 group=$4 pid=$$ started=$(date +%s)
  # the present end of the log: the output of this attempt begins there, or a little later
  log=$(ls "$dir/log" 2>/dev/null | sed -n 's/^\([0-9]*\)\.log$/\1/p' | sort -n | tail -n 1)
  [ ! -r "$dir/log/$log.log" ] || log=$((log + $(wc -c <"$dir/log/$log.log")))
  cd "$workdir" || exit 126
  up=; [ ! -r /proc/uptime ] || read -r up idle </proc/uptime
  record running
  past start "$started" "$run" "$restarts" - "${up:--}" "$(this_boot)"
  # which the instance may have as variables of its own
  set -- "$run" "$command" "$dir" "$(command -v env)" "$(command -v sh)"
  environment
  FLEETCTL_RUN=$1 FLEETCTL_STATE=$3; export FLEETCTL_RUN FLEETCTL_STATE
  become "$4" "$5" "$2"
fi

say() { printf 'fleetctl: %s\n' "$*"; }

recorded() { sed -n "s/^$1=//p" "$dir/state" 2>/dev/null; }

left() { members "$dir/state" | cut -d ' ' -f 2; } # processes of the run, without this one

lingers() { # whether any are left, of which what is about to end does not count
  for pause in 0 0.2 0.3 0.5; do
    sleep "$pause"
    [ -n "$(left)" ] || return 1
  done
}

# A command may have put its server into the background: what runs on is the instance.
outlast() {
  lingers || return
  set -- $(left)
  [ $# -gt 0 ] || return
  pid=$1
  say "ended with exit code 0, but $# of its processes run on in the background"
  record running "ended=$ended" "exit=$code"
  while [ -z "$stopping" ] && [ ! -e "$dir/stop" ] && [ -n "$(left)" ]; do
    sleep 1 &
    wait $! 2>/dev/null
  done
  at_end
  say "its processes in the background have ended"
}

# What a failed attempt left behind is not to run beside the next one: it is ended first, to the last
# process. False: some of it could not be ended.
sweep() {
  lingers || return 0
  say "$(($(left | wc -l))) of its processes run on, and are ended before it begins again"
  for how in TERM KILL; do
    members "$dir/state" | while read -r of one shared whose; do
      [ "$shared" = - ] || one=-$shared # the whole group
      kill -s "$how" -- "$one"
    done 2>/dev/null
    for pause in 0.2 0.2 0.2 0.4 1 1 1 1; do
      sleep "$pause"
      [ -n "$(left)" ] && [ -z "$stopping" ] && [ ! -e "$dir/stop" ] || return 0
    done
  done
  false
}

at_end() { # seconds since the boot are what a wrong clock does not change
  ended=$(date +%s) ended_up=
  [ ! -r /proc/uptime ] || read -r ended_up idle </proc/uptime
  second=${ended_up%.*}
  second=${second:-$ended}
}

finish() { # record the end, remove the spec, exit with the command's code
  ! told end || say "ended, since $why"
  asked=; [ ! -e "$dir/stop" ] || asked=stop # stop.sh has not said yet that all of it has ended
  record ended "ended=$ended" "ended_up=$ended_up" "exit=$code" "asked=$asked"
  rm -rf "$dir/spec" "$dir/files" "$dir/spare"
  sleep 0.2 # else tmux may close the pane before it has read all the output
  # What ended by itself is not started at the next boot. A shutdown is an end by a signal.
  [ -n "$stopping" ] || [ "$code" -gt 128 ] || rm -rf "$dir/boot"
  exit "$code"
}

told() { # WORD: has the job said it of this attempt? Sets why.
  of=; read -r of attempt word why <"$dir/told"
  [ "$of $attempt $word" = "$run $restarts $1" ]
} 2>/dev/null

# The program beside it ended at its start, so that the job's rule does not hold: for who asks. What
# it said is made safe; of a traceback the last line tells why.
no_member() { # CODE
  said=$(tail -c 4096 "$dir/member.said" | LC_ALL=C tr -cd ' -~\n')
  line=$(printf '%s\n' "$said" | grep -E 'rror|not found' | tail -n 1)
  [ -n "$line" ] || line=$(printf '%s\n' "$said" | sed '/^ *$/d' | tail -n 1)
  line=$(printf '%s\n' "$line" | cut -c 1-160)
  echo "$run python3 beside it ended with exit code $1${line:+: $line}" >"$dir/apart"
} 2>/dev/null

# All members begin again together: wait for the word to begin; what is to do so no more ends here.
regroup() { # SAID
  said=$1
  if [ "$rule" != restart-all ] || { [ "$code" -eq 0 ] && [ -z "$unwell" ]; }; then
    told again || { say "$said"; finish; }
    said="$said; all begin again: $why"
  fi
  say "$said"
  record backoff "ended=$ended" "exit=$code" waits=group
  until told go; do
    born=; read -r born <"$dir/member.pid"
    [ -z "$stopping" ] && [ ! -e "$dir/stop" ] && ! told over && ! told end &&
      [ "$(birth "${born%% *}")" = "$born" ] || finish
    sleep 0.2 &
    wait $!
  done 2>/dev/null
  row=0 restarts=$((restarts + 1))
}

# A typed Ctrl-Z or Ctrl-S would halt the command, and nothing would continue it. Before set -m: as a
# job in the background, which it is where sh is zsh, stty would be stopped itself.
stty susp undef -ixon 2>/dev/null
set -m # the command gets its own process group, and the terminal while it runs
trap : INT QUIT # a typed Ctrl-C is for the command
stopping=
trap 'stopping=1' TERM HUP
trap : USR1 # wakes it from a pause

restarts=0 row=0 supervisor=$(birth $$) prober=
[ -z "$(tail -c 1 "$dir/past" 2>/dev/null)" ] || echo >>"$dir/past" # the end of a torn line
if [ -n "$rule" ]; then
  member_program >"$dir/member"
  { member_part | python3 "$dir/member" "$dir" $$ >/dev/null 2>"$dir/member.said" || no_member $?; } &
fi
set -- $pauses
while :; do
  at_end
  began=$second
  if [ -n "$liveness" ]; then
    sh "$dir/prober" "$dir" "$restarts" $$ </dev/null >/dev/null 2>&1 &
    prober=$!
  fi
  exec 4>&2 2>/dev/null # as above
  sh "$dir/supervisor" "$dir" "$restarts" "$supervisor" 2>&4 4>&-
  code=$? unwell=
  exec 2>&4 4>&-
  at_end
  started=$(recorded started) pid=$(recorded pid) log=$(recorded log) group=$(recorded group)
  up=$(recorded up)
  [ "$code" -ne 0 ] || [ -n "$stopping" ] || [ -e "$dir/stop" ] || outlast
  past end "$ended" "$run" "$restarts" "$code" "${ended_up:--}" "$(this_boot)"
  [ ! -w "$dir/past" ] || [ "$(wc -c <"$dir/past")" -lt 32768 ] || mv "$dir/past" "$dir/past.old"
  end="ended with exit code $code"
  if [ -n "$prober" ]; then # it ends this attempt, to the last process, or it ends with it
    of=; read -r of attempt count alike why <"$dir/unwell"
    [ "$of $attempt" = "$run $restarts" ] && unwell=1 || kill -s TERM -- "-$prober"
    wait "$prober"
  fi 2>/dev/null
  [ -z "$unwell" ] || end="$why ($count in a row): $end"
  [ -n "$stopping" ] || [ -e "$dir/stop" ] && finish
  over=
  case $policy$unwell in
    never) over=$end ;;
    on-failure) [ "$code" -ne 0 ] || over=$end ;;
  esac
  [ $((second - began)) -lt "$reset_after" ] || { row=0; set -- $pauses; }
  if [ -z "$over" ] && [ "$row" -ge "$max" ]; then
    over="$end; not restarted again after $row restarts in a row"
  fi
  if [ -n "$over" ] || told again; then
    regroup "${over:-$end}"
    set -- $pauses
    continue
  fi
  row=$((row + 1)) restarts=$((restarts + 1))
  say "$end; restart $restarts in $1 s"
  record backoff "ended=$ended" "ended_up=$ended_up" "exit=$code"
  sweep || { say "not restarted: $(($(left | wc -l))) of its processes cannot be ended"; finish; }
  sleep "$1" &
  wait $! 2>/dev/null
  kill $! 2>/dev/null # a signal may have ended the wait before the sleep
  [ -n "$stopping" ] || [ -e "$dir/stop" ] && finish
  if told again; then
    regroup "$end"
    set -- $pauses
    continue
  fi
  [ $# -eq 1 ] || shift
done
