# Types what comes on stdin into the window of an instance, if its command runs.
# Set before this text: dir fleet job instance.
# Prints "typed"; "none": nothing of it runs in a window; "kept": its supervisor has the window's terminal, so
# nothing would read it. Newlines are typed as Enter (paste-buffer
# of tmux(1)). By way of a buffer, since an argument could be read in the list of processes.
# Of the panes of its window, which anybody may split, it is the one that its supervisor leads.
recorded() { sed -n "s/^$1=//p" "$dir/state" 2>/dev/null; }
supervisor=$(recorded supervisor)
[ "$(recorded phase)" = running ] || { echo none; exit; }
panes=$(tmux -u -L fleetctl list-panes -a -F \
  '#{session_name}|#{@fleetctl_job}|#{@fleetctl_instance}|#{pane_dead}|#{pane_pid}|#{pane_id}') || exit 1
pane=$(printf '%s\n' "$panes" | awk -F '|' -v all="$fleet|$job|$instance|0|${supervisor%% *}" \
  '$1 "|" $2 "|" $3 "|" $4 "|" $5 == all { print $6; exit }')
[ -n "$pane" ] || { echo none; exit; }
if [ -r "/proc/${supervisor%% *}/stat" ]; then
  front=$(sed 's/.*) //' "/proc/${supervisor%% *}/stat" | cut -d ' ' -f 6)
else
  front=$(ps -o tpgid= -p "${supervisor%% *}")
fi
[ "$((front))" -ne "${supervisor%% *}" ] || { echo kept; exit; }
buffer=fleetctl-send-$$
tmux -u -L fleetctl load-buffer -b "$buffer" - || exit 1
tmux -u -L fleetctl paste-buffer -d -b "$buffer" -t "$pane" && echo typed && exit
tmux -u -L fleetctl delete-buffer -b "$buffer"
exit 1
