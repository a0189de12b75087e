# interface_of ADDRESS: prints the interface that has this IPv4 address; nothing: there is none.
interface_of() {
  case $(uname -s) in
    Linux)
      ip -o -4 addr | awk -v address="$1" '{ split($4, own, "/") }
        own[1] == address { print $2; exit }' ;;
    *)
      ifconfig -a | awk -v address="$1" '/^[^ \t]/ { name = $1; sub(/:$/, "", name) }
        $1 == "inet" && $2 == address { print name; exit }' ;;
  esac 2>/dev/null
}
