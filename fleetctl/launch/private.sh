# private FOLDER...: fails, with the reason, if one of them is not ours alone to write; a missing one
# is well. Others could else put a program there that a start runs, or read its secrets.
private() {
  own=$(id -u) || return
  for folder; do
    [ -e "$folder" ] || [ -L "$folder" ] || continue
    set -- $(LC_ALL=C ls -ldn "$folder" 2>/dev/null)
    case $1 in
      '') bad='cannot be looked at' ;;
      l*) bad='is a symbolic link' ;;
      d????w* | d???????w*) bad="can be written by others ($1)" ;;
      d*) [ "$3" != "$own" ] || continue; bad="belongs to another account (uid $3)" ;;
      *) bad='is no folder' ;;
    esac
    echo "$folder $bad" >&2
    return 1
  done
}
