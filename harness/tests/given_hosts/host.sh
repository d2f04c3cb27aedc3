#!/usr/bin/env bash
# The first process of a host, `host.sh FOLDER NAME`: mounts what is its own, and starts sshd.
set -euo pipefail
own=$1 name=$2
hostname "$name"
# From inside, since what is mounted may hide the way there.
cd "$own"
for part in etc root home var srv; do mount --bind "./$part" "/$part"; done
mount -t tmpfs none /run
mkdir -p -m 755 /run/sshd
mount -t tmpfs -o mode=1777 none /tmp
mount -t sysfs none /sys
cd /
# A firewall of somebody else, which must look the same afterwards.
nft add table inet others
nft 'add chain inet others inbound { type filter hook input priority 0 ; policy accept ; }'
nft add rule inet others inbound tcp dport 9 drop
# The machine's clock and kernel are not a host's to change.
setpriv --bounding-set=-sys_time,-sys_boot,-sys_module --inh-caps=-sys_time,-sys_boot,-sys_module \
    /usr/sbin/sshd -E /var/log/sshd.log
# Whatever loses its parent is this process' to reap, which bash does while it waits.
while :; do
    sleep 3600 &
    wait $!
done
