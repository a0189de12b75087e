# Says what there is on the node. Set before this text: folder (where the code goes), state (what the
# last sync left) and key (which stands for all of the controller's files). On stdin: their paths, a
# line each.
# Prints "KEY VALUE" lines (system, folder, fault, free_kib, rsync), and then, each below its own
# line: "=sent" and "=there" as they were left, "=now" what stat(1) says of these paths and of those
# that the controller has. Or, instead of these, "=same": nothing has changed, here or there.
LC_ALL=C
export LC_ALL

of_folder() { # when no sync can be under way any more, also takes away what one left
  echo "folder $(pwd -P)"
  [ -w . ] || echo "fault unwritable"
  echo "free_kib $(df -Pk . | awk 'END { print $4 }')"
  find . -maxdepth 1 -name '.fleetctl-sync.*' -mtime +0 -exec rm -rf {} +
}

fault=
if [ -d "$folder" ]; then
  cd "$folder" || exit
  if [ "$(cat "$state/folder" 2>/dev/null)" != "$(pwd -P)" ]; then
    state=/nonexistent # it was another folder
  fi
  now=$({ cat; cut -d ' ' -f 4- "$state/there" 2>/dev/null; } | sort -u | describe)
  if [ "$(cat "$state/key" 2>/dev/null)" = "$key" ] && [ "$(cat "$state/there")" = "$now" ]; then
    echo '=same'
    exit
  fi
elif [ -e "$folder" ]; then
  fault=file
else
  fault=missing
fi
echo "system $(uname -s)"
echo "rsync $(rsync --version 2>/dev/null | head -n 1)"
if [ -n "$fault" ]; then
  echo "fault $fault"
  exit
fi
of_folder
echo '=sent'
cat "$state/sent" 2>/dev/null
echo '=there'
cat "$state/there" 2>/dev/null
echo '=now'
printf '%s\n' "$now"
