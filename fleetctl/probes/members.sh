# Finds the processes of instances, by what their supervisors recorded.
#
#   members STATE_FILE...   prints "RUN PID GROUP own|other" of every process of their runs.
#                           GROUP: its process group, "-" if that is not the run's alone;
#                           other: it belongs to another user. Fails, with the reason on stderr, if
#                           that could not be told: no list counts in which this shell is not.
#                           With roots=1 also "RUN PID TMUX supervised" of each supervisor that
#                           lives; TMUX: its tmux server, "-" if that is gone.
#   birth PID...            prints "PID START" of each that lives; only one process ever has both
#   this_boot               prints a word that differs after the next boot
#
# A process belongs to a run if it carries the run's mark (FLEETCTL_RUN=ID in its environment), else
# if it is in the process group of the run's command, in the session or on the terminal of its
# supervisor, or descends from such a process or shares its group. A mark alone is not enough: macOS
# shows no environment of its own programs, and a program may write over its own.
# Process ids count only together with the moment of birth and the boot; a group outlives its leader,
# and the kernel gives its number to no other process meanwhile.
also= # further lines "NAME:KEY=VALUE" for members, as if they stood in a file of that name
roots=
folder= # of this instance all runs count, by FLEETCTL_STATE in their environment, also without a record,
# and its supervisor by the words it was begun with (its run is "none" then)

this_boot() {
  if [ -r /proc/sys/kernel/random/boot_id ]; then read -r boot </proc/sys/kernel/random/boot_id
  else boot=$(birth 1); boot=${boot#* }
  fi
  echo "$boot"
}

birth() {
  for one in "$@"; do
    if [ -d /proc/self ]; then
      { line=$(tr '\n' ' ' <"/proc/$one/stat"); } 2>/dev/null && [ -n "$line" ] || continue
      set -- ${line##*\) } && shift 19 && echo "$one $1" # starttime of proc_pid_stat(5)
    else
      line=$(ps -o lstart= -p "$one") && echo "$one $(echo $line | tr ' ' _)"
    fi
  done
}

marks() { # of every process, and first of itself, to show that they can be read
  # with -z the expression is compared with each variable, whatever lines it has
  told=$(FLEETCTL_RUN=0 grep -aoHz '^FLEETCTL_[A-Z]*=[^[:cntrl:]]*' \
    /proc/self/environ /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n')
  case $told in
    /proc/self/*) echo '=marks'; printf '%s\n' "$told" ;;
    *) # BusyBox: its grep knows no -z, but head puts each file's name before it
      echo '=variables'
      FLEETCTL_RUN=0 head -c 4000000 /proc/self/environ /proc/[0-9]*/environ 2>/dev/null |
        tr '\0\n' '\n\001' ;;
  esac
}

named() { # the supervisors of $folder, where /proc tells words
  for file in $(grep -lsF -- "$folder/supervisor" /proc/[0-9]*/cmdline); do
    [ "$(tr '\0' '|' <"$file")" != "sh|$folder/supervisor|$folder|" ] || echo "${file%/*}"
  done 2>/dev/null
}

members() {
  me=
  [ -d /proc/self ] || me=$(id -u)
  {
    echo "$also"
    for file in "$@"; do
      { while IFS= read -r line; do echo "$file:$line"; done <"$file"; } 2>/dev/null
    done
    if [ -d /proc/self ]; then
      echo '=processes'; cat /proc/[0-9]*/stat 2>/dev/null
      marks
      [ -z "$folder" ] || { printf '\n=named\n'; named; }
    else
      # twice, because only both together tell the environment from the arguments before it
      echo '=commands'; ps -axww -o pid=,ppid=,pgid=,tty=,uid=,stat=,lstart=,command=
      echo '=environments'; ps -Eaxww -o pid=,command=
    fi
  } | folder=$folder awk -v boot="$(this_boot)" -v me="$me" -v self=$$ -v roots="$roots" '
    function word(   w) { # takes the first word off line
      sub(/^ +/, "", line); w = line; sub(/ .*/, "", w); sub(/^[^ ]+ */, "", line); return w
    }
    function process(pid, state, p, g, s, b) {
      if (state ~ /^Z/) return
      parent[pid] = p; group[pid] = g; session[pid] = s; born[pid] = b
    }
    function variable(pid, text) { # FLEETCTL_NAME=VALUE
      text = substr(text, 10)
      if (text ~ /^RUN=[0-9a-f]+$/) mark[pid] = substr(text, 5)
      else if (text ~ /^STATE=/) state_of[pid] = substr(text, 7)
    }
    function supervised(root, run) {
      owned_session[root in parent && session[root] != "" ? session[root] : root] = run; ours[root] = 1
      if (roots && root in parent) print run, root, parent[root] in tmux ? parent[root] : "-", "supervised"
    }
    function environment(   at, text, one) { # of the Mac process in pid, line
      listed[pid] = 1
      if (!(pid in command) || substr(line, 1, length(command[pid])) != command[pid]) return
      text = substr(line, length(command[pid]) + 1) " "
      while (at = index(text, " FLEETCTL_")) {
        text = substr(text, at + 1); one = text; sub(/ .*/, "", one); variable(pid, one)
        sub(/^[^ ]*/, "", text)
      }
    }
    /^=(processes|marks|variables|named|commands|environments)$/ { part = substr($0, 2); line = ""; pid = 0; next }
    part == "" { # FILE:KEY=VALUE
      match($0, /:[a-z]+=/); if (!RSTART) next
      file = substr($0, 1, RSTART - 1); key = substr($0, RSTART + 1, RLENGTH - 2)
      value[file, key] = substr($0, RSTART + RLENGTH); files[file] = 1; next
    }
    part == "processes" { # proc_pid_stat(5); a name may contain anything
      line = line == "" ? $0 : line "\n" $0
      if (line !~ /^[0-9]+ \(.*\) [A-Za-z] [0-9]+ /) { if (length(line) > 999) line = ""; next }
      pid = line + 0; if (line ~ /^[0-9]+ \(tmux/) tmux[pid] = 1
      sub(/^.*\) /, "", line); split(line, f, " "); line = ""
      process(pid, f[1], f[2], f[3], f[4], f[20]); next
    }
    part == "marks" { # /proc/PID/environ:FLEETCTL_RUN=ID
      split($0, f, "/"); variable(f[3], substr($0, index($0, ":") + 1)); next
    }
    part == "variables" { # each on a line; before the first of a file its name, between \001
      if (match($0, /==> \/proc\/[0-9a-z]+\/environ <==\001/)) {
        split(substr($0, RSTART), f, "/"); pid = f[3]; $0 = substr($0, RSTART + RLENGTH)
      }
      if (/^FLEETCTL_/) variable(pid, $0)
      next
    }
    part == "named" { sub(/.*\//, ""); named[$0] = 1; next }
    part == "commands" {
      if ($0 !~ /^ *[0-9]+ +[0-9]+ +[0-9]+ +[^ ]+ +[0-9]+ +[^ ]+ +[A-Z]/) { # the rest of an argument
        if (pid) command[pid] = command[pid] "\n" $0
        next
      }
      line = $0; pid = word(); p = word(); g = word(); t = word(); user[pid] = word(); state = word()
      b = word() "_" word() "_" word() "_" word() "_" word()
      process(pid, state, p, g, t ~ /^[?-]/ ? "" : t, b); command[pid] = line
      if (line == "sh " ENVIRON["folder"] "/supervisor " ENVIRON["folder"]) named[pid] = 1
      if (line ~ /^([^ ]*\/)?tmux[: ]/) tmux[pid] = 1
      next
    }
    part == "environments" {
      first = $1
      if (first ~ /^[0-9]+$/ && first in command) {
        if (pid) environment()
        line = $0; pid = word()
      } else line = line "\n" $0
    }
    END {
      if (part == "environments" && pid) environment()
      if (!(self in parent) || !(me == "" ? "self" in mark : self in listed)) exit
      for (file in files) {
        run = value[file, "run"]; if (run == "") continue
        asked[run] = 1
        if (value[file, "boot"] != boot) continue
        split(value[file, "supervisor"], f, " "); root = f[1]
        if (root in born && born[root] != f[2]) root = 0 # another process has its number now
        split(value[file, "group"], f, " "); leader = f[1]
        if (leader in born && born[leader] != f[2]) leader = 0
        if (root) supervised(root, run)
        if (leader) { owned_group[leader] = run; ours[leader] = 1 }
      }
      for (p in named) if (p in parent && !(p in ours) && !(parent[p] in named)) { # no fork of it
        asked["none"] = 1; supervised(p, "none")
      }
      for (p in mark)
        if (ENVIRON["folder"] != "" && state_of[p] == ENVIRON["folder"]) asked[mark[p]] = 1
      # what a supervisor runs for itself: its children, except the leader of the command
      do { grew = 0
        for (p in parent) if (!(p in ours) && !(p in helper) && !(p in mark) &&
            ((parent[p] in ours && !(parent[p] in owned_group)) || parent[p] in helper)) {
          helper[p] = 1; grew = 1 }
      } while (grew)
      for (p in parent) if (!(p in ours) && !(p in helper)) {
        if (p in mark) owner[p] = mark[p]
        else if (group[p] in owned_group) owner[p] = owned_group[group[p]]
        else if (session[p] != "" && session[p] in owned_session) owner[p] = owned_session[session[p]]
      }
      do { grew = 0
        for (p in owner) { # its group belongs to the run if the leader does, or has ended
          g = group[p]
          if (!(g in joint) && (!(g in parent) || g in owner || g in owned_group)) joint[g] = owner[p]
        }
        for (p in parent) if (!(p in owner) && !(p in ours) && !(p in helper)) {
          run = ""
          if (parent[p] in owner) run = owner[parent[p]]
          else if (parent[p] in owned_group) run = owned_group[parent[p]]
          else if (group[p] in joint) run = joint[group[p]]
          if (run != "") { owner[p] = run; grew = 1 } }
      } while (grew)
      for (p in owner) if (owner[p] in asked)
        print owner[p], p, group[p] in joint ? group[p] : "-", p in user ? (user[p] == me ? "own" : "other") : "?"
      print "="
    }' | {
    run=
    while read -r run pid group whose; do
      case $whose in
        '') break ;;
        '?') # it has ended, or the shell can tell
          [ -d "/proc/$pid" ] || continue
          [ -O "/proc/$pid" ] && whose=own || whose=other ;;
      esac
      echo "$run $pid $group $whose"
    done
    [ "$run" = "=" ] || { echo "the process list cannot be read" >&2; false; }
  }
}
