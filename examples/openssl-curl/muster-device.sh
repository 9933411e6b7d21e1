#!/bin/sh
# A device in plain shell: openssl makes key and request, curl enrols and renews, mosquitto_rr publishes and hears commands.
# muster-device.sh <provisioner> <claim file> <directory> [seconds between readings] [seconds between questions when to renew]
# Exit codes: 0 asked to end, 64 wrong arguments, 75 passes by itself, 76 not the server of the claim, 77 refused for good.
set -eu
umask 077

[ $# -ge 3 ] || { sed -n 3,4p "$0" >&2; exit 64; }
url=${1%/}
case $url in https://*) ;; *) echo 'the provisioner must be like https://muster.example:8443' >&2; exit 64 ;; esac
case $2 in /*) claim_file=$2 ;; *) claim_file=$PWD/$2 ;; esac
mkdir -p "$3"
every=${4:-10}
poll=${5:-3600}
cd "$3"

stop() {
  echo "$2" >&2
  exit "$1"
}

# The shell looks at signals while it waits, and not while a command runs in the foreground.
child=
trap '[ -z "$child" ] || kill "$child" 2>/dev/null || :; exit 0' TERM INT
wait_for() {
  "$@" &
  child=$!
  wait "$child" && result=0 || result=$?
  child=
}

# What has been written to <name>.new takes the name's place, in one step that survives a power cut.
keep() {
  sync "$1.new"
  mv "$1.new" "$1"
  sync .
}

# One request; its answer is in answer.json, and its code in $status: 000 for none.
ask() {
  path=$1
  shift
  status=$(curl --silent --show-error --cacert roots.pem --connect-timeout 10 --max-time 30 --max-filesize 131072 \
    --output answer.json --write-out '%{http_code}' "$@" "$url$path") || case $? in
    60) stop 76 "the server of $url is not the one that the claim names" ;;
    *) status=000 ;;
  esac
}

post_request() {
  ask "$@" --header 'content-type: application/json' --data-binary @request.json
  rm request.json
}

# Patience where that helps; anything else that is not a success is final.
require_patience() {
  code=$(jq -r '.type // "" | ltrimstr("urn:muster:error:")' answer.json 2>/dev/null || :)
  case $status-$code in
    000-* | 429-* | 5??-*) ;;
    *-device-suspended | *-device-pending) ;;
    *) stop 77 "refused: $code: $(jq -r .detail answer.json)" ;;
  esac
}

backoff=1
pause() {
  echo "again in $1 s" >&2
  wait_for sleep "$1"
  backoff=$((backoff < 300 ? backoff * 2 : 300))
}

make_key() {
  [ -s key.pem ] && return
  openssl ecparam -name prime256v1 -genkey -noout -out key.pem.new
  # The claim is bound to the first key that shows it: this one is on disk before anybody hears of it.
  keep key.pem
}

fingerprint() {
  openssl x509 -in "$1" -noout -fingerprint -sha256 | sed 's/.*=//; s/://g' | tr A-F a-f
}

# split_pem <file>: each certificate in a file of its own, part.1, part.2 and so on.
split_pem() {
  rm -f part.*
  awk '/-----BEGIN CERTIFICATE-----/ { n++ } n { print > ("part." n) }' "$1"
}

# The root that the claim names, over a connection that proves nothing and carries no secret.
pin_root() {
  [ -s roots.pem ] && return
  [ -r "$claim_file" ] || stop 75 "$claim_file cannot be read"
  named=$(sed -n 's/^muster1\.[0-9a-f]\{16\}\.[A-Za-z0-9_-]\{43\}\.\([0-9a-f]\{64\}\)$/\1/p' "$claim_file")
  [ -n "$named" ] || stop 77 "claim-invalid: $claim_file does not hold a claim"
  until curl --silent --show-error --fail --insecure --connect-timeout 10 --max-time 30 --max-filesize 65536 \
    --output answer.json "$url/v1/bootstrap"; do pause "$backoff"; done
  jq -r .roots answer.json >offered.pem
  split_pem offered.pem
  for part in part.*; do
    [ "$(fingerprint "$part" 2>/dev/null)" = "$named" ] || continue
    mv "$part" roots.pem.new
    keep roots.pem
    return
  done
  stop 76 "$url does not have the root that the claim names"
}

# Nothing can be verified with a clock from before the root was made.
require_clock() {
  openssl verify -CAfile roots.pem roots.pem >/dev/null 2>&1 || stop 75 "the clock says $(date -u): it has to be set first"
}

make_request() {
  openssl req -new -key key.pem -subj /CN=device -out request.pem
}

# An answer is kept if it is for our key and leads to a root that is trusted; then it is all that counts.
save_enrolment() {
  jq -r '.certificate + .chain' answer.json >offered.pem
  [ "$(openssl x509 -in offered.pem -noout -pubkey)" = "$(openssl pkey -in key.pem -pubout)" ] ||
    stop 76 "the certificate that was answered is for another key"
  jq -r '.roots // empty' answer.json >roots.pem.new
  if [ -s roots.pem.new ]; then
    # Roots are being rolled: the verified server says which ones count from now on.
    verify_offered roots.pem.new
    keep roots.pem
  else
    verify_offered roots.pem
  fi
  cp answer.json enrolment.json.new
  keep enrolment.json
}

verify_offered() {
  openssl verify -CAfile "$1" -untrusted offered.pem -purpose sslclient offered.pem >/dev/null ||
    stop 76 "the certificate that was answered does not lead to a trusted root"
}

enrol() {
  [ -s enrolment.json ] && return
  make_key
  pin_root
  require_clock
  make_request
  while :; do
    # From file to file: no process has the claim among its arguments.
    jq -n --rawfile claim "$claim_file" --rawfile csr request.pem '{claim: ($claim | rtrimstr("\n")), csr: $csr}' >request.json
    post_request /v1/enrol
    case $status in
      201) break ;;
      202) pause "$(jq -r .retryAfter answer.json)" ;;
      *)
        require_patience
        pause "$backoff"
        ;;
    esac
  done
  backoff=1
  save_enrolment
}

# Files and variables for what the enrolment says; made anew at every start, so a power cut between them costs nothing.
use_enrolment() {
  jq -r '.certificate + .chain' enrolment.json >certificate.pem.new
  keep certificate.pem
  device=$(jq -r .device.id enrolment.json)
  base=fleets/$(jq -r .device.fleet enrolment.json)/devices/$device
  host=$(jq -r '.mqtt.url | capture("^mqtts://(?<host>.+):[0-9]+$").host | ltrimstr("[") | rtrimstr("]")' enrolment.json)
  port=$(jq -r '.mqtt.url | capture(":(?<port>[0-9]+)$").port' enrolment.json)
  serial=$(openssl x509 -in certificate.pem -noout -serial | sed 's/.*=//' | tr A-F a-f)
}

# Asks when to renew, which also is how to learn why a broker refuses: it answers or names the reason.
ask_window() {
  ask /v1/renewal --cert certificate.pem --key key.pem
  asked=$(date +%s)
  # Late, but the fleet may let it renew; that decides.
  grep -q certificate-expired answer.json 2>/dev/null && return
  [ "$status" = 200 ] || { require_patience; return 1; }
  jq -e '.window.start <= .serverTime' answer.json >/dev/null
}

# With the same key, so one rename takes the device from the old certificate to the new one. Both are good until the new one is used.
renew() {
  make_request
  split_pem roots.pem
  for part in part.*; do fingerprint "$part"; done >fingerprints
  jq -n --rawfile csr request.pem --rawfile roots fingerprints '{csr: $csr, roots: ($roots | split("\n") | map(select(. != "")))}' >request.json
  post_request /v1/renew --cert certificate.pem --key key.pem
  [ "$status" = 201 ] || { require_patience; return; }
  save_enrolment
  use_enrolment
  echo "renewed $device $serial"
}

measure() {
  read -r load _ </proc/loadavg
  temperature=$(cat /sys/class/thermal/thermal_zone0/temp 2>/dev/null || :)
  jq -cn --arg load "$load" --arg temperature "$temperature" \
    '{load: ($load | tonumber)} + if $temperature == "" then {} else {temperature: ($temperature | tonumber / 1000)} end'
}

answer() {
  case $1 in
    measure) measure | jq -c '{status: "done", reading: .}' ;;
    echo) head -n 1 commands | jq -c '{status: "done", echo: .payload[:1024]}' ;;
    *) echo '{"status":"unknown","detail":"the commands are measure and echo"}' ;;
  esac
}

# What there is to say goes to payload.json: the answer to the first command that waits, or a reading.
choose_message() {
  command=
  topic=$base/telemetry/shell
  if [ -s commands ]; then
    topic=$(head -n 1 commands | jq -r .topic)
    command=${topic#"$base/commands/"}
    topic=$base/events/commands/$command
    answer "$command" >payload.json
  else
    measure >payload.json
  fi
}

# Every program of the device takes part in its one session, which the broker keeps for a week.
in_session() {
  program=$1
  shift
  exec "$program" -h "$host" -p "$port" --cafile roots.pem --cert certificate.pem --key key.pem -i "$device" -V mqttv5 \
    -c -x 604800 -q 1 -F %j "$@" >heard 2>&1
}

# mosquitto_sub puts the subscription into the session and ends. Then mosquitto_rr, which publishes and hears in one connection, hears
# all of it (its own response topic may have no wildcard). Two at once are no way: each would push the other out.
# The payload is among its arguments: of files, mosquitto_rr 2.0.11 publishes nothing.
subscribe() {
  in_session mosquitto_sub -E -W 30 -t "$base/commands/#"
}
converse() {
  in_session mosquitto_rr -d -W "$every" -t "$topic" -m "$(cat payload.json)" -e "$base/commands/nothing"
}

note_commands() {
  grep '^{' heard >new || return
  cat new >>commands
  jq -r '"command " + .topic' new
}

note_publication() {
  grep -q 'received PUBACK .*RC:\(0\|16\))' heard || return
  echo "published $(cat payload.json)"
  [ -n "$command" ] || return 0
  sed 1d commands >commands.new
  keep commands
}

live() {
  subscribed=no
  while :; do
    if [ $(($(date +%s) - asked)) -ge "$poll" ]; then
      if ask_window; then renew; fi
      subscribed=no
    fi
    if [ "$subscribed" = no ]; then
      wait_for subscribe
      note_commands || :
      [ "$result" -ne 0 ] || subscribed=yes
    fi
    if [ "$subscribed" = yes ] && hold_conversation; then continue; fi
    # The network, or the broker said no, and the provisioner knows why.
    grep -v '^Client\|^{' heard >&2 || :
    subscribed=no
    if ask_window; then renew; fi
    pause "$backoff"
  done
}

# Ends badly if it ended before its time.
hold_conversation() {
  choose_message
  wait_for converse
  published=no
  if note_publication; then published=yes; fi
  if note_commands; then return; fi
  timed_out=27
  [ "$published" = yes ] && [ "$result" -eq "$timed_out" ] || return
  backoff=1
}

enrol
use_enrolment
echo "enrolled $device $serial"
if ask_window; then renew; fi
live
