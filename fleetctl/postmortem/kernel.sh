# Prints what the kernel says of memory, disks and links that failed lately. Set before this text:
# age, in seconds. Each section begins with "== NAME"; one that cannot be read has a line "unreadable WHY".
section() { printf '== %s\n' "$1"; }
telling() { # what a kernel says of its killing for memory, of disks, links and power
  grep -aiE 'out of memory|oom-kill|oom_reaper|killed process|memorystatus|jetsam|low swap|i/o error|no space left|remounting|segfault|general protection|link is (up|down)|link becomes|under-?voltage|throttl|hung task|blocked for more than|panic|mmc.*(error|timeout)|nvme.*(reset|timeout)' |
    tail -n 200 | cut -c 1-500
}
section clock
date +%s
case $(uname -s) in
Linux)
  read -r up idle </proc/uptime && echo "up $up"
  section counters
  sed -n 's/^oom_kill /vmstat /p' /proc/vmstat 2>&1
  group=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)
  while [ -n "$group" ]; do # of the group of this login, and of those that it is in
    file=/sys/fs/cgroup${group%/}/memory.events
    [ ! -r "$file" ] || sed -n "s|^oom_kill |cgroup ${group} |p" "$file"
    [ "$group" != / ] || break
    group=${group%/*}
    group=${group:-/}
  done
  section messages
  since=$(($(date +%s) - age))
  if said=$(journalctl -k -q --no-pager -o short-unix -S "@$since" 2>&1) && [ -n "$said" ]; then
    echo "source journal"
    printf '%s\n' "$said" | telling
  elif log=$(dmesg 2>&1); then
    echo "source dmesg"
    printf '%s\n' "$log" | telling
  else
    why=$(printf '%s\n' "$log" | tail -n 1)
    echo "unreadable dmesg: ${why#dmesg: }; journalctl: $(printf '%s\n' "${said:-no entries}" | tail -n 1)"
  fi
  ;;
Darwin)
  section counters
  sysctl -n kern.memorystatus_vm_pressure_level 2>/dev/null | sed 's/^/pressure /'
  section messages
  find /Library/Logs/DiagnosticReports -name 'JetsamEvent-*' -mmin "-$((age / 60 + 1))" 2>/dev/null |
    sed 's/^/report /'
  echo "source log show"
  log show --last "$((age / 60 + 1))m" --style syslog --predicate \
    'process == "kernel" AND (eventMessage CONTAINS[c] "memorystatus" OR eventMessage CONTAINS[c] "jetsam" OR eventMessage CONTAINS[c] "low swap" OR eventMessage CONTAINS[c] "I/O error" OR eventMessage CONTAINS[c] "link down")' 2>&1 |
    telling
  ;;
*) section messages; echo "unreadable not supported on $(uname -s)" ;;
esac
section end
