# Gives fleetctl's tmux server its socket back, if something removed that while the server runs on
# (tmux/tmux#4057): it makes it again at SIGUSR1. Which processes are its own: members.sh.
#   reach_tmux STATE_FILE...   succeeds if a server answers
# Only a server in which a supervisor of these records runs gets the signal, and only if none answers.
reach_tmux() {
  said=$(tmux -u -L fleetctl list-sessions 2>&1) && return
  case $said in *"no server running"* | *"No such file"*) ;; *) return 1 ;; esac
  roots=1
  servers=$(members "$@" 2>/dev/null | sed -n 's/^.* \([0-9][0-9]*\) supervised$/\1/p' | sort -u)
  roots=
  for server in $servers; do
    kill -s USR1 "$server" 2>/dev/null || continue
    for pause in 0.1 0.1 0.2 0.3 0.5 0.8; do
      sleep "$pause"
      tmux -u -L fleetctl list-sessions >/dev/null 2>&1 && return
    done
  done
  return 1
}
