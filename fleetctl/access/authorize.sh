# Puts a public key, which is a line on stdin, into ~/.ssh/authorized_keys of this account, once.
#
# Prints what it did, a word a line: `authorized` or `was-authorized`, and `home`, `folder` or `file` for
# what others could write until then, so that sshd passed over the keys (StrictModes, sshd_config(5)).
# What fails is one sentence on stderr, and the file is as it was.

umask 077
LC_ALL=C
export LC_ALL

fail() {
    printf '%s\n' "$1" >&2
    exit 1
}

# Of a file: the number of its owner; whether others can write it.
owner() {
    # shellcheck disable=SC2046 # its words
    set -- $(ls -ldn "$1")
    echo "$3"
}
others_write() {
    case $(ls -ldn "$1") in
        ?????w* | ????????w*) ;;
        *) return 1 ;;
    esac
}

# Sets $real to what is behind symbolic links.
behind_links() {
    real=$1
    left=10
    while [ -L "$real" ]; do
        [ "$left" -gt 0 ] || fail "$1 is a symbolic link that leads in a circle"
        left=$((left - 1))
        to=$(readlink "$real") || fail "the symbolic link $real cannot be read"
        case $to in
            /*) real=$to ;;
            *) real=${real%/*}/$to ;;
        esac
    done
}

# Makes sure that only this account can write a folder: private_folder PATH WORD. Where its mode alone is
# wrong, that is put right, and WORD is printed. What is behind a symbolic link may be for others, too: its
# mode is left alone, as is that of a folder without a WORD.
private_folder() {
    behind_links "$1"
    [ -d "$real" ] || fail "$1 is no folder"
    case $(owner "$real") in
        "$uid" | 0) ;;
        *) fail "$real belongs to another account" ;;
    esac
    others_write "$real" || return 0
    if [ -z "$2" ] || [ "$real" != "$1" ]; then
        fail "others can write $real, to which a symbolic link leads, so nothing is put there"
    fi
    chmod go-w "$real" || fail "others can write $real, and that cannot be changed"
    echo "$2"
}

uid=$(id -u)
IFS= read -r line || fail "no key came over stdin"
words=${line#* }
key="${line%% *} ${words%% *}"

[ -d "$HOME" ] || fail "the account's home folder $HOME is not there"
private_folder "$HOME" home
folder=$HOME/.ssh
if [ ! -e "$folder" ]; then
    mkdir -m 700 "$folder" || fail "$folder cannot be made"
fi
private_folder "$folder" folder

file=$folder/authorized_keys
behind_links "$file"
file=$real
if [ "${file%/*}" != "$folder" ]; then
    private_folder "${file%/*}" ""
    file=$real/${file##*/}
fi
if [ -e "$file" ]; then
    [ -f "$file" ] || fail "$file is no regular file"
    [ "$(owner "$file")" = "$uid" ] || fail "$file belongs to another account"
    [ -r "$file" ] || fail "$file cannot be read"
    if others_write "$file"; then
        chmod go-w "$file" || fail "others can write $file, and that cannot be changed"
        echo file
    fi
    if grep -v '^[[:space:]]*#' "$file" | grep -qF -- "$key"; then
        echo was-authorized
        exit 0
    fi
fi

# Beside the file, and then in its place: a disk that is full leaves the old one.
new=$file.fleetctl.$$
trap 'rm -f "$new"' EXIT
trap 'exit 1' HUP INT TERM
kept="$file is as it was"
if [ -e "$file" ]; then
    cp -p "$file" "$new" || fail "no copy of $file can be made; $kept"
    # a last line without its end
    [ -z "$(tail -c 1 "$new")" ] || echo >>"$new" || fail "$new cannot be written; $kept"
fi
printf '%s\n' "$line" >>"$new" || fail "$new cannot be written; $kept"
[ "$(tail -n 1 "$new")" = "$line" ] || fail "$new cannot be written; $kept"
mv -f "$new" "$file" || fail "$file cannot be replaced; it is as it was"
echo authorized
