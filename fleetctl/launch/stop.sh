# Ends one instance: its processes and all that they forked.
# Set before this text: dir fleet job instance signal grace. Prints what it does, one of these a line:
#   "signalled N", "killed N", "left PID..." (not ended even by KILL), "done EXIT_CODE",
#   "windows ID..."
# A process belongs to the instance if it descends from the supervisor, has the run's id in its
# environment, or shares a process group with such a process.
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

run=$(sed -n 's/^run=//p' state 2>/dev/null)
for other in $(window '#{@fleetctl_run}'); do run="$run $other"; done
groups=
supervisors=$(window '#{?pane_dead,,#{pane_pid}}')

marked() {
  for one in $run; do
    if [ -d /proc/self ]; then
      grep -alz "^FLEETCTL_RUN=$one\$" /proc/[0-9]*/environ 2>/dev/null |
        sed 's|/proc/\([0-9]*\)/.*|\1|'
    else
      ps -Eaxww -o pid=,command= | sed -n "s/^ *\([0-9]*\) .* FLEETCTL_RUN=$one\( .*\)*\$/\1/p"
    fi
  done
}

members() { # "PID GROUP" of every process of the instance
  # echo joins the lines: a BSD awk takes no newline in -v
  ps -axo pid=,ppid=,pgid=,stat= | awk -v roots="$(echo $supervisors)" -v marked="$(echo $(marked))" \
    -v groups="$(echo $groups)" '
    BEGIN { split(groups, c, / +/); for (i in c) if (c[i]) ours[c[i]] = 1
            split(roots, a, /[ \n]+/); for (i in a) if (a[i]) root[a[i]] = 1
            split(marked, b, /[ \n]+/); for (i in b) if (b[i]) mine[b[i]] = 1 }
    $4 !~ /^Z/ { parent[$1] = $2; group[$1] = $3 }
    END { do { grew = 0
            for (p in parent) if (!(p in mine) && !(p in root)) {
              g = group[p]
              if (parent[p] in mine || parent[p] in root || ((g in ours) && !(g in root))) {
                mine[p] = 1; grew = 1 } }
            for (p in mine) if ((p in group) && !(group[p] in ours)) { ours[group[p]] = 1; grew = 1 }
          } while (grew)
          for (p in mine) if (p in parent) print p, group[p] }'
}

# Process groups once seen are remembered: the last process alive in one may lack the run's id.
note_groups() { groups="$groups $(members | awk '{ print $2 }' | sort -u)"; }

send() { # SIGNAL: to every process group of the instance; prints how many processes they have
  now=$(members)
  for group in $(echo "$now" | awk '{ print $2 }' | sort -u); do
    kill -s "$1" -- "-$group" 2>/dev/null
  done
  echo "$now" | awk 'NF { n++ } END { print n + 0 }'
}

gone_within() { # SECONDS
  tenths=$(awk -v s="$1" 'BEGIN { print int(s * 10) }')
  while [ -n "$(members)" ]; do
    [ "$tenths" -gt 0 ] || return 1
    touch lock # keep it from looking stale
    sleep 0.1; tenths=$((tenths - 2))
  done
}

# After TERM a supervisor restarts nothing; it exits once its command has ended.
for pid in $supervisors; do kill -s TERM "$pid" 2>/dev/null; done
if [ -n "$(members)" ]; then
  note_groups
  echo "signalled $(send "$signal")"
  send CONT >/dev/null
  if ! gone_within "$grace"; then
    note_groups
    echo "killed $(send KILL)"
    gone_within 5
  fi
fi
tenths=30
for pid in $supervisors; do
  while kill -0 "$pid" 2>/dev/null && [ "$tenths" -gt 0 ]; do
    case $(ps -o stat= -p "$pid") in Z*) break ;; esac
    sleep 0.1; tenths=$((tenths - 1))
  done
done
left=$(members | awk '{ print $1 }') # only now: before, a supervisor's own commands would count
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
