# Sends a signal to an instance: to the process that its command runs as, or to all of its processes.
# Set before this text: dir, signal, whole (not empty: to all), traps (not empty: its command line sets
# traps). members.sh is put before this text, too.
# Prints "none" (nothing of it runs); or of each process a line "sent PID NAME", "refused PID NAME", or
# "several PID NAME" (it got nothing: which one is meant cannot be told).
# Neither its supervisor nor the shell that leads its process group is among its processes, so a
# signal is no stop: what comes of it, its supervisor sees, and acts by the restart policy.
cd "$dir" 2>/dev/null || { echo none; exit; }
now=$(members state) || exit 1
pids=$(echo "$now" | awk 'NF { print $2 }')

parent() { # PID
  if [ -d /proc/self ]; then
    { line=$(tr '\n' ' ' <"/proc/$1/stat"); } 2>/dev/null && set -- ${line##*\) } && echo "$2"
  else echo $(ps -o ppid= -p "$1")
  fi
}

name() { # PID
  if [ -d /proc/self ]; then cat "/proc/$1/comm" 2>/dev/null
  else called=$(ps -o comm= -p "$1"); echo "${called##*/}"
  fi
}

children() { # PID: those of its children that are the instance's
  for pid in $pids; do [ "$(parent "$pid")" != "$1" ] || echo "$pid"; done
}

is_line() { # PID: it is the shell that runs the command line, and not yet what stands in that
  if [ -d /proc/self ]; then called=$(tr '\0' ' ' <"/proc/$1/cmdline"); else called=$(ps -o command= -p "$1"); fi
  case $called in 'sh -c '* | /*'/sh -c '*) ;; *) false ;; esac
}

each() { # WORD PID...
  word=$1; shift
  for pid; do echo "$word $pid $(name "$pid")"; done
}

to=$(sed -n 's/^pid=//p' state)
case "
$pids
" in
  '

') echo none; exit ;;
  *"
$to
"*) ;;
  *) to=$pids ;; # the command has ended, and left these
esac
if [ -n "$whole" ]; then to=$pids
else
  while [ -z "$traps" ] && set -- $to && [ $# -eq 1 ] && is_line "$1"; do
    below=$(children "$1")
    [ -n "$below" ] || break
    to=$below
  done
  set -- $to
  [ $# -eq 1 ] || { each several "$@"; exit; }
fi
for pid in $to; do
  called=$(name "$pid")
  if kill -s "$signal" "$pid" 2>/dev/null; then echo "sent $pid $called"
  else echo "refused $pid $called"
  fi
done
