# Prints the TCP sockets that listen or are connected in the form of `ss -tnpH`, where there is no ss
# (Alpine): from /proc/net/tcp and tcp6 (proc_net_tcp(5)), and the open files of processes.
# A socket on all IPv6 addresses is shown as one that takes IPv4, too, which it does unless asked not to.
proc_sockets() {
  {
    grep -H '' /proc/[0-9]*/comm 2>/dev/null
    ls -l /proc/[0-9]*/fd 2>/dev/null
    echo '=sockets'
    cat /proc/net/tcp || exit
    cat /proc/net/tcp6 2>/dev/null
    echo '=end'
  } | awk '
    function number(text,   i, n) {
      for (n = 0; text != ""; text = substr(text, 2)) {
        i = index("0123456789ABCDEF", substr(text, 1, 1)); n = n * 16 + i - 1 }
      return n
    }
    function ipv4(word) { # the bytes of a word come in the order of the machine, the last one first
      return number(substr(word, 7, 2)) "." number(substr(word, 5, 2)) "." number(substr(word, 3, 2)) \
        "." number(substr(word, 1, 2))
    }
    function group(word, at) { return tolower(substr(word, at + 2, 2) substr(word, at, 2)) }
    function address(text,   f, a, i, w) {
      split(text, f, ":"); a = f[1]
      if (length(a) == 8) a = ipv4(a)
      else if (a ~ /^0+$/) a = "*"
      else if (substr(a, 1, 24) == "0000000000000000FFFF0000") a = "[::ffff:" ipv4(substr(a, 25)) "]"
      else {
        w = ""
        for (i = 0; i < 4; i++)
          w = w ":" group(substr(a, i * 8 + 1, 8), 5) ":" group(substr(a, i * 8 + 1, 8), 1)
        a = "[" substr(w, 2) "]"
      }
      return a ":" number(f[2])
    }
    /^=sockets$/ { sockets = 1; next }
    /^=end$/ { whole = 1; next }
    !sockets && /^\/proc\/[0-9]+\/comm:/ { split($0, f, "/"); name[f[3]] = substr($0, index($0, ":") + 1); next }
    !sockets && /^\/proc\/[0-9]+\/fd:$/ { split($0, f, "/"); pid = f[3]; next }
    !sockets && / -> socket:\[[0-9]+\]$/ {
      inode = $NF; gsub(/[^0-9]/, "", inode)
      gsub(/"/, "", name[pid])
      users[inode] = users[inode] "," "(\"" name[pid] "\",pid=" pid ",fd=" $(NF - 2) ")"; next
    }
    sockets && ($4 == "0A" || $4 == "01") {
      printf "%s 0 0 %s %s", $4 == "0A" ? "LISTEN" : "ESTAB", address($2), address($3)
      print $10 in users ? " users:(" substr(users[$10], 2) ")" : ""
    }
    END { exit !whole }'
}
