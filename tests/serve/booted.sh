# Becomes a systemd in namespaces of its own, over a copy of this machine's files that is forgotten.
#   sh booted.sh FOLDER GROUP PATH...
# FOLDER: an empty one; GROUP: a control group of version 2; PATH: what the account `fleet` there
# must be able to read. Nothing but what the test needs is begun.
folder=$1 group=$2
shift 2
echo $$ >"$group/cgroup.procs"
exec unshare --cgroup --pid --fork --kill-child --mount --uts --ipc --net --mount-proc sh -ec '
folder=$1; shift
mount --make-rprivate /
mount -t tmpfs -o size=256m none "$folder"
root=$folder/root
mkdir "$folder/up" "$folder/work" "$root"
mount -t overlay -o "lowerdir=/,upperdir=$folder/up,workdir=$folder/work" none "$root"
for path; do mkdir -p "$folder/held$path"; mount --bind "$path" "$folder/held$path"; done
mount -t tmpfs -o mode=755 none "$root/run"
mount -t tmpfs -o mode=1777 none "$root/tmp"
for path; do
  mkdir -p "$root$path"
  mount --bind "$folder/held$path" "$root$path"
  above=${path%/*}
  while [ -n "$above" ]; do chmod o+x "$root$above"; above=${above%/*}; done
done
mount -t proc none "$root/proc"
mount -t sysfs -o ro none "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 none "$root/dev"
for name in null zero full random urandom tty; do
  touch "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 none "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs none "$root/dev/shm"
rm -rf "$root/etc/systemd/system" "$root/etc/systemd/user"
mkdir -p "$root/etc/systemd/system"
: >"$root/etc/machine-id"
cat >"$root/etc/systemd/system/test.target" <<END
[Unit]
Requires=basic.target dbus.service systemd-logind.service
After=basic.target dbus.service systemd-logind.service
END
printf "[Login]\nUserStopDelaySec=1\n" >"$root/etc/systemd/logind.conf"
echo "fleet:x:4711:4711::/home/fleet:/bin/bash" >>"$root/etc/passwd"
echo "fleet:x:4711:" >>"$root/etc/group"
echo "fleet:*:20000:0:99999:7:::" >>"$root/etc/shadow"
mkdir "$root/home/fleet"
cat >"$root/home/fleet/nodes.yaml"
chown -R 4711:4711 "$root/home/fleet"
cd "$root"
pivot_root . .
umount -l .
ip link set lo up
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=test.target --log-target=console --show-status=no
' sh "$folder" "$@"
