#!/usr/bin/env bash
# What only a whole machine can show, in a guest that is thrown away: its real clock, its kernel's
# netem, and reboots. `make vm-test` builds the guest and calls this through lab/guest/run.sh.
#
#   lab/guest/test.sh AGENT_TESTS AGENT
#
# AGENT_TESTS is the compiled tests of nemesis/agent, AGENT the program itself. Both need a C library
# no newer than the guest's.
set -euo pipefail
tests=${1:?usage: test.sh AGENT_TESTS AGENT}
agent=${2:?usage: test.sh AGENT_TESTS AGENT}
port=${SCHISM_GUEST##*:}
options=(-i "$SCHISM_GUEST_KEY" -o "UserKnownHostsFile=$SCHISM_GUEST_HOSTS" -o BatchMode=yes -o ConnectTimeout=5)
there() { ssh "${options[@]}" -p "$port" root@127.0.0.1 "$@"; }
passed=0
say() { passed=$((passed + 1)); echo "guest: $*"; }
fail() { echo "guest: FAILED: $*"; echo "$passed passed, 1 failed"; exit 1; }

scp -q "${options[@]}" -P "$port" "$tests" root@127.0.0.1:/root/agent-tests
scp -q "${options[@]}" -P "$port" "$agent" root@127.0.0.1:/root/schism-agent
there '/root/agent-tests --ignored --test-threads 1' || fail "the tests of the agent"
say "the real clock and netem do what they should, and are put back"

# An effect that is held when the machine loses its power must be gone when it is back.
for round in 1 2 3; do
    # Its input stays open for as long as something sleeps at the other end, and no stream of it is
    # that of the connection, which would wait for it.
    there 'mkdir -p /var/tmp/schism
        (sleep 1000 2>/dev/null | setsid /root/schism-agent hold --ledger /var/tmp/schism/ledger \
            --name F1 --members below:1 --data /var/tmp/schism \
            '"'"'{"real-clock":{"offset_ms":7200000,"drift_ppm":1000}}'"'"' >/var/tmp/held 2>&1 &) </dev/null
        for i in $(seq 100); do grep -q held /var/tmp/held && exit 0; sleep 0.1; done
        cat /var/tmp/held; exit 1' || fail "round $round: the effect did not begin"
    off=$(($(there date +%s) - $(date +%s)))
    [ "$off" -gt 7100 ] || fail "round $round: the clock is $off s off, and should be 7200"
    there 'test -s /var/tmp/schism/ledger/F1.json' || fail "round $round: nothing stands in the ledger"
    boot=$(there cat /proc/sys/kernel/random/boot_id)
    # At once, as a loss of power: nothing is shut down. What the ledger wrote was synced.
    there 'sync; echo b > /proc/sysrq-trigger' >/dev/null 2>&1 || true
    begun=$SECONDS
    until now=$(there cat /proc/sys/kernel/random/boot_id 2>/dev/null) && [ "$now" != "$boot" ]; do
        [ $((SECONDS - begun)) -lt 420 ] || fail "round $round: it did not come back"
        sleep 2
    done
    off=$(($(there date +%s) - $(date +%s)))
    [ "${off#-}" -lt 5 ] || fail "round $round: the clock is $off s off after the reboot"
    there '/root/schism-agent agent --clean --folder /var/tmp/schism && ! test -e /var/tmp/schism/ledger/F1.json' \
        || fail "round $round: the ledger was not cleaned"
    say "round $round: after a reboot ($((SECONDS - begun)) s) the clock is right and the ledger is empty"
done
echo "$passed passed, 0 failed"
