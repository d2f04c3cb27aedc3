#!/usr/bin/env bash
# Boots the guest of lab/guest/build.sh under QEMU (without KVM: about a minute and a half), runs a
# command with SCHISM_GUEST, SCHISM_GUEST_KEY and SCHISM_GUEST_HOSTS set, and ends the guest.
#
#   lab/guest/run.sh FOLDER COMMAND …
set -euo pipefail
folder=${1:?usage: run.sh FOLDER COMMAND …}
shift
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null || echo 22022)
# KVM is faster by far where it works; /dev/kvm alone does not tell, as in nested machines.
accelerate=${SCHISM_ACCELERATE:-tcg,thread=multi}
# What the guest writes goes into a throw-away layer (-snapshot): every boot starts from the same disk.
qemu-system-x86_64 -accel "$accelerate" -cpu max -smp 2 -m 1024 -nodefaults -display none -no-user-config \
    -kernel "$folder/kernel" -initrd "$folder/initrd" \
    -append 'root=/dev/vda rw console=ttyS0 panic=5' \
    -drive "file=$folder/disk.ext4,if=virtio,format=raw,snapshot=on" \
    -netdev "user,id=net,hostfwd=tcp:127.0.0.1:$port-:22" -device virtio-net-pci,netdev=net \
    -device virtio-rng-pci -serial "file:$folder/console.log" &
guest=$!
trap 'kill "$guest" 2>/dev/null || true; wait "$guest" 2>/dev/null || true' EXIT
sed "s/^/[127.0.0.1]:$port /" "$folder/host_key.pub" | awk '{ print $1, $2, $3 }' >"$folder/known_hosts"
login=(ssh -i "$folder/key" -p "$port" -o "UserKnownHostsFile=$folder/known_hosts" -o BatchMode=yes -o ConnectTimeout=5 root@127.0.0.1)
begun=$SECONDS
until "${login[@]}" true 2>/dev/null; do
    if ! kill -0 "$guest" 2>/dev/null || [ $((SECONDS - begun)) -gt 420 ]; then
        tail -n 20 "$folder/console.log"
        echo "the guest did not come up within $((SECONDS - begun)) s"
        exit 1
    fi
    sleep 2
done
echo "the guest is up after $((SECONDS - begun)) s"
export SCHISM_GUEST="root@127.0.0.1:$port" SCHISM_GUEST_KEY="$folder/key" SCHISM_GUEST_HOSTS="$folder/known_hosts"
"$@"
