#!/usr/bin/env bash
# Makes the disk, the kernel and the key of a Debian guest, from Debian packages alone.
#
#   lab/guest/build.sh FOLDER
#
# The guest is a throw-away machine: its clock may be set, its kernel has netem, and it can be
# rebooted. It boots under QEMU without KVM (lab/guest/run.sh). Needs root (a chroot) and the
# packages mmdebstrap and e2fsprogs; takes some minutes the first time, nothing afterwards.
set -euo pipefail
folder=${1:?usage: build.sh FOLDER}
# Another recipe is another guest.
wanted=$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-16)
mkdir -p "$folder"
cd "$folder"
if [ -e disk.ext4 ] && [ "$(cat built 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi
rm -f built
[ -e key ] || ssh-keygen -q -t ed25519 -N '' -f key
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
packages=linux-image-cloud-amd64,initramfs-tools,systemd-sysv,udev,kmod,openssh-server,nftables,iproute2,iputils-ping,procps
mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$tree/root"
root=$tree/root
echo guest >"$root/etc/hostname"
# Tests that change a whole machine run where this stands, and nowhere else.
touch "$root/etc/schism-disposable"
install -d -m 700 "$root/root/.ssh"
install -m 600 key.pub "$root/root/.ssh/authorized_keys"
printf '/dev/vda / ext4 defaults 0 1\n' >"$root/etc/fstab"
# QEMU's own network tells the address.
printf '[Match]\nName=e*\n[Network]\nDHCP=yes\n' >"$root/etc/systemd/network/10-guest.network"
chroot "$root" systemctl enable --quiet systemd-networkd ssh
# Nobody sets the clock but the tests.
chroot "$root" systemctl mask --quiet systemd-timesyncd systemd-time-wait-sync apt-daily.timer \
    apt-daily-upgrade.timer man-db.timer e2scrub_all.timer dpkg-db-backup.timer 2>/dev/null || true
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
cp "$root"/boot/vmlinuz-* kernel
cp "$root"/boot/initrd.img-* initrd
cp "$root/etc/ssh/ssh_host_ed25519_key.pub" host_key.pub
rm -f disk.part
mke2fs -q -t ext4 -d "$root" disk.part 1500M
mv disk.part disk.ext4
echo "$wanted" >built
