#!/usr/bin/env bash
# A small world of hosts as a user has them, which knows nothing of schism: `world.sh FOLDER HOSTS`.
# It is the first process of its own namespaces, reads orders line by line, and ends with its input:
# whoever gave it that, killed or not, leaves nothing behind.
#
# Each host has network, processes, mounts and name of its own, and /etc, /root, /home, /var, /srv,
# /run and /tmp of its own. What hosts share, other than machines would: kernel, clock, memory,
# cgroups and /dev.
set -euo pipefail
folder=$1 hosts=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
declare -A process

# The machine that everybody sits at: `lan` is its link to all hosts.
machine() {
    mount -t tmpfs none /run
    hostname desk
    ip link set lo up
    # Addresses of cards stay what they are when a host is off: others remember them for a while.
    ip link add lan address 02:00:0a:58:00:fe type bridge
    ip link set lan up
    ip address add 10.88.0.254/24 dev lan
    ip address add fd88::254/64 dev lan nodad
    echo '127.0.0.1 localhost' >"$folder/names"
    for number in $(seq "$hosts"); do echo "10.88.0.$number h$number" >>"$folder/names"; done
    mount --bind "$folder/names" /etc/hosts
    mkdir -p -m 700 "$folder/desk/.ssh"
    ssh-keygen -q -t ed25519 -N '' -C desk -f "$folder/desk/.ssh/id_ed25519"
    ssh-keygen -q -t rsa -b 2048 -N '' -C rsa -f "$folder/desk/rsa"
    ssh-keygen -q -t ed25519 -N '' -C lent -f "$folder/desk/lent"
}

# Everything of a host that outlives its being switched off.
furnish() {
    local name=h$1 own=$folder/h$1
    mkdir -p "$own"/{root,home,var/{log,lib,empty},srv}
    mkdir -p -m 1777 "$own/var/tmp"
    chmod 700 "$own/root"
    cp -a /etc "$own/etc"
    cp --remove-destination "$folder/names" "$own/etc/hosts"
    rm -rf "$own"/etc/ssh/* "$own"/etc/sudoers.d/*
    # Of two who may log in besides root, one may do everything and one may do nothing.
    printf '%s:x:%s:%s::/home/%s:/bin/bash\n' ada 1801 1801 ada bob 1802 1802 bob >>"$own/etc/passwd"
    printf '%s:x:%s:\n' ada 1801 bob 1802 >>"$own/etc/group"
    printf '%s:*:19000:0:99999:7:::\n' ada bob >>"$own/etc/shadow"
    echo 'ada ALL=(ALL) NOPASSWD: ALL' >"$own/etc/sudoers.d/ada"
    chmod 440 "$own/etc/sudoers.d/ada"
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$own/etc/ssh/ssh_host_ed25519_key"
    cat >"$own/etc/ssh/sshd_config" <<-END
	Port 22
	Port 2222
	HostKey /etc/ssh/ssh_host_ed25519_key
	PermitRootLogin prohibit-password
	PasswordAuthentication no
	KbdInteractiveAuthentication no
	UsePAM no
	UseDNS no
	END
    local home user
    for home in root:0 home/ada:1801 home/bob:1802; do
        user=${home#*:} home=$own/${home%:*}
        mkdir -p -m 700 "$home/.ssh"
        cat "$folder"/desk/{rsa,lent,.ssh/id_ed25519}.pub >"$home/.ssh/authorized_keys"
        chown -R "$user:$user" "$home"
    done
    local key
    key=$(cut -d ' ' -f 1,2 "$own/etc/ssh/ssh_host_ed25519_key.pub")
    {
        echo "$name,10.88.0.$1,fd88::$1 $key"
        echo "[$name]:2222,[10.88.0.$1]:2222,[fd88::$1]:2222 $key"
    } >>"$folder/desk/.ssh/known_hosts"
}

# Plugs a host in, and waits until its sshd listens.
on() {
    local name=h$1
    ip netns add "$name"
    ip link add "to-$name" master lan up type veth \
        peer name eth0 address "02:00:0a:58:00:0$1" netns "$name"
    ip -n "$name" link set lo up
    ip -n "$name" link set eth0 up
    ip -n "$name" address add "10.88.0.$1/24" dev eth0
    ip -n "$name" address add "fd88::$1/64" dev eth0 nodad
    nsenter --net="/run/netns/$name" unshare --mount --pid --uts --ipc --fork --kill-child \
        --mount-proc bash "$here/host.sh" "$folder/$name" "$name" </dev/null >>"$folder/$name.log" 2>&1 &
    process[$name]=$!
    for _ in $(seq 200); do
        if timeout 2 bash -c "exec 3<>/dev/tcp/10.88.0.$1/22" 2>/dev/null; then return; fi
        sleep 0.05
    done
    echo "$name does not listen: $(tail -n 3 "$folder/$name.log")"
}

# The power goes: no process of the host says goodbye.
off() {
    local name=h$1
    kill -KILL "${process[$name]}"
    wait "${process[$name]}" 2>/dev/null || true
    ip link delete "to-$name"
    ip netns delete "$name"
}

reboot() {
    off "$1"
    sleep "$2"
    on "$1"
}

# A host without IPv4.
only6() { ip -n "h$1" address delete "10.88.0.$1/24" dev eth0; }

# The cable is pulled: nobody refuses anything, nobody answers.
unplug() { ip link set "to-h$1" down; }

# Hosts 1 to N take SSH from host G alone.
behind() {
    for number in $(seq "$2"); do
        nsenter --net="/run/netns/h$number" nft \
            "add rule inet others inbound tcp dport { 22, 2222 } ip saddr != 10.88.0.$1 drop"
    done
}

# A host whose /srv holds so many MiB, from its next start on; and what it takes to fill it.
small() { mount -t tmpfs -o "size=$2m,mode=755" none "$folder/h$1/srv"; }
fill() { dd if=/dev/zero of="$folder/h$1/srv/fill" bs=1M 2>/dev/null || true; }

machine
for number in $(seq "$hosts"); do furnish "$number"; done
for number in $(seq "$hosts"); do on "$number"; done
echo ready
while read -r -a order; do
    case ${order[0]} in
        reboot | only6 | unplug | behind | small | fill) "${order[@]}" && echo "done" ;;
        *) echo "no such order: ${order[*]}" ;;
    esac
done
