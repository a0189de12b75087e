# Takes the instance whose folder is $dir for one that was stopped, if it has ended, to the last
# process: a start of it is going to begin, and how an earlier run ended would be taken for its end.
# It has not, where its supervisor may yet write into the record, or another controller starts it.
# members.sh is put before this text.
cd "$dir" 2>/dev/null && mkdir lock 2>/dev/null || exit 0
over=
case $(sed -n 's/^phase=//p' state 2>/dev/null) in
  ended) over=1 ;;
  ?*) [ "$(sed -n 's/^boot=//p' state)" = "$(this_boot)" ] || over=1 ;;
esac
if [ -n "$over" ] && left=$(members state 2>/dev/null) && [ -z "$left" ]; then
  sed 's/^phase=.*/phase=stopped/' state >state.new && mv state.new state
fi
rmdir lock
