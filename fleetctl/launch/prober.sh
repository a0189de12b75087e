# fleetctl's prober: asks a running instance again and again whether it works, and writes down what came back.
#   sh prober DIR RESTARTS SUPERVISOR
# The supervisor starts it with each attempt and ends it with that; it ends by itself when the process
# SUPERVISOR is gone. What it asks, and what follows, is `asks` in DIR/spec. It writes
#   DIR/health  RUN RESTARTS PROBER ok|failing|unknown COUNT ALIKE SINCE WHY
#     COUNT: failures in a row, of which the last ALIKE were for the reason WHY (0: it is one long
#     failure, a silence); SINCE: the epoch second from which on it is so
#   DIR/unwell  RUN RESTARTS COUNT ALIKE WHY: it ends this attempt, for the supervisor to start another
dir=$1 restarts=$2 supervisor=$3
. "$dir/spec"
asks
trap 'exit 0' HUP INT QUIT USR1 USR2 ALRM TERM
trap 'exit 0' ABRT 2>/dev/null # which zsh calls IOT

# -- asking: each prints what came back, and returns 0 (well), 1 (failed) or 2 (it cannot be asked)

first_of() { # PROGRAM...: the first that is there
  for one in "$@"; do
    # without developer tools a Mac's python3 is a stand-in that opens a dialogue
    [ "$one" != python3 ] || [ ! -e /usr/bin/xcode-select ] || continue
    command -v "$one" >/dev/null && echo "$one" && return
  done
}

failed() { # SAID: why there was no answer, by what the tool said
  case $1 in
    *efused*) echo "$named refused the connection" ;;
    *[Tt]imed\ out*) echo "$named did not answer within $limit s" ;;
    *esolv* | *"not known"* | *esolution*) echo "$named has a host name without an address" ;;
    *nreachable* | *"o route"*) echo "$named cannot be reached from its node" ;;
    *"ailed to connect"* | *"t connect"*) echo "$named accepted no connection" ;;
    *) echo "$named gave no answer" ;;
  esac
  return 1
}

request() { printf 'GET %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n\r\n' "$path" "$netloc"; }

in_bash='exec 3<>"/dev/tcp/$1/$2" && cat >&3 && IFS= read -r line <&3 && printf "%s\n" "$line"'
in_python='import socket, sys
to = socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))
to.sendall(sys.stdin.buffer.read())
print(to.makefile("rb").readline(9999).decode("latin1") if sys.argv[4:] else "")'

ask_http() {
  LC_ALL=C; export LC_ALL
  unset http_proxy all_proxy ALL_PROXY # it is on the node, or beside it
  case $(first_of curl wget python3 bash nc) in
    curl) said=$(curl -q -sS -o /dev/null -m "$limit" -w 'HTTP/ %{http_code}\n' "$asked" 2>&1) ;;
    wget) said=$(wget -S -T 5 -O /dev/null "$asked" 2>&1) ;;
    python3) said=$(request | python3 -c "$in_python" "$host" "$port" "$limit" line 2>&1) ;;
    bash) said=$(request | bash -c "$in_bash" bash "$host" "$port" 2>&1) ;;
    nc) said=$(request | nc -w 5 "$host" "$port" 2>&1 | head -n 1) ;;
    *) echo "its node has none of curl, wget, python3, bash and nc, to ask $named"; return 2 ;;
  esac
  code=$(printf '%s\n' "$said" | sed -n 's|.*HTTP/[0-9.]* \([1-5][0-9][0-9]\).*|\1|p' | head -n 1)
  case $code in
    2??) echo "$named answered $code" ;;
    ???) echo "$named answered $code"; return 1 ;;
    *) failed "$said" ;;
  esac
}

ask_connect() {
  LC_ALL=C; export LC_ALL
  case $(first_of bash nc python3) in
    bash) said=$(bash -c 'exec 3<>"/dev/tcp/$1/$2"' bash "$host" "$port" 2>&1) ;;
    nc) said=$(nc -z -v -w 5 "$host" "$port" 2>&1) ;;
    python3) said=$(python3 -c "$in_python" "$host" "$port" "$limit" 2>&1 </dev/null) ;;
    *) echo "its node has none of bash, nc and python3, to connect to $named"; return 2 ;;
  esac || { failed "$said"; return; }
  echo "$named accepted a connection"
}

ask_command() {
  cd "$workdir" || { echo "its folder cannot be entered, to run $named"; return 2; }
  (set -- "$asked" "$(command -v env)" "$(command -v sh)"
    environment
    become "$2" "$3" "$1") >/dev/null 2>&1
  code=$?
  case $code in
    0) echo "$named ended with exit code 0" ;;
    126 | 127) echo "$named cannot be run (exit code $code)"; return 2 ;;
    *) echo "$named ended with exit code $code"; return 1 ;;
  esac
}

tree() { # PID: it and all that descend from it, parents first: they start nothing more, then
  ps -axo pid=,ppid= | awk -v root="$1" '
    { parent[$1] = $2 }
    END { mine[root] = 1; print root
          do { grew = 0
            for (p in parent) if (!(p in mine) && (parent[p] in mine)) {
              mine[p] = 1; grew = 1; print p }
          } while (grew) }'
}

ask() { # within the limit
  sleep "$limit" & sleeper=$!
  { "ask_$1"; code=$?; kill "$sleeper"; exit "$code"; } & asking=$!
  if wait "$sleeper"; then # nobody ended the sleep
    kill -s KILL $(tree "$asking")
    echo "$named did not answer within $limit s"
    return 1
  fi
  wait "$asking"
}

listen() { # is there new output since the last time? Sets why.
  last=$(ls "$dir/log" | sed -n 's/^\([0-9]*\)\.log$/\1/p' | sort -n | tail -n 1)
  size=$(wc -c <"$dir/log/$last.log") || { why="its log cannot be read"; return 2; }
  [ $((last + size)) -eq "$end" ] && quiet=$((quiet + 1)) || quiet=0
  end=$((last + size)) why="it printed nothing for $asked s"
  [ "$quiet" -lt "$too_quiet" ]
}

# -- what follows from an answer

note() { # STATE
  if [ "$1" = failing ]; then
    count=$((count + 1))
    [ "$why" = "$before" ] && alike=$((alike + 1)) || alike=1
    [ "$liveness" != silence ] || alike=0
  else
    count=0 alike=0
  fi
  before=$why
  [ "$1" = "$state" ] || since=$(date +%s)
  state=$1 now="$1 $count"
  [ "$1" != unknown ] || now="$1 $why"
  [ "$now" != "$noted" ] || return
  if printf '%s %s %s %s %s %s %s %s\n' "$run" "$restarts" $$ "$state" "$count" "$alike" "$since" \
    "$why" >"$dir/health.new" && mv "$dir/health.new" "$dir/health"
  then noted=$now
  else noted=; true >"$dir/health" # a full disk: what it says is not so any more
  fi
}

seconds() { # by a clock that nobody sets, where there is one
  if read -r up idle </proc/uptime; then echo "${up%.*}"; else date +%s; fi
}

# Whether failures count: it has worked before, or had its time to become ready.
grown() {
  [ -n "$worked" ] || [ $(($(seconds) - began)) -ge "$settling" ] ||
    [ "$(cat "$dir/ready")" = "$run $restarts" ]
}

groups() { # the process groups of the attempt (members.sh, which is put before this text)
  members "$dir/state" | awk '$3 != "-" { print $3 }' | sort -u
}

send() { # SIGNAL
  for group in $groups; do kill -s "$1" -- "-$group"; done
}

living() { for group in $groups; do kill -s 0 -- "-$group" && return; done; false; }

orphaned() { # one that ended may linger as a zombie, which `kill -0` takes for alive
  [ $(($(ps -o ppid= -p $$) + 0)) -ne "$supervisor" ]
}

end_attempt() {
  ! orphaned && [ ! -e "$dir/stop" ] || exit 0
  groups=$(groups)
  printf '%s\n' "$run $restarts $count $alike $why" >"$dir/unwell.new" &&
    mv "$dir/unwell.new" "$dir/unwell" || return
  send "$signal"
  send CONT
  tenths=$grace
  while [ "$tenths" -gt 0 ] && living; do sleep 0.2; tenths=$((tenths - 2)); done
  send KILL
  exit 0
}

newline='
'
state= noted= since= count=0 alike=0 before= worked= end= quiet=0
began=$(seconds)
while :; do
  left=$naps
  while [ "$left" -gt 0 ]; do # in short pieces, to see that the supervisor is gone
    sleep "$nap"
    kill -0 "$supervisor" || exit 0
    left=$((left - 1))
  done
  ! orphaned || exit 0
  if [ "$liveness" = silence ]; then listen; else why=$(ask "$liveness"); fi
  came=$?
  why=${why##*"$newline"} # the last line: the time may be over just when an answer was told
  case $came in
    0) worked=1; note ok ;;
    1)
      note failing
      [ "$unwell" != restart ] || [ "$count" -lt "$failures" ] || ! grown || end_attempt ;;
    *) note unknown ;;
  esac
done
