"""A device: enrols, publishes, answers commands and keeps its certificate renewed.
muster_device.py <provisioner> <claim file> <directory> [seconds between readings] [seconds between questions when to renew]
Exit codes: 0 asked to end, 64 wrong arguments, 75 no claim to read, 76 not the server of the claim, 77 refused for good."""
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from provisioner import NotNow, Provisioner, Refused, Untrusted
from store import Store

ended = threading.Event()
SESSION_SECONDS = 7 * 86_400


def say(line):
    print(line, flush=True)


def persist(attempt):
    """Repeats what passes by itself, with growing pauses, at random so that a fleet that fails together does not come back together."""
    failures = 0
    while not ended.is_set():
        started = time.monotonic()
        try:
            return attempt()
        except NotNow as trouble:
            if time.monotonic() - started > 60:
                failures = 0
            pause = trouble.after or min(300, 2**failures) * random.uniform(0.5, 1)
            failures += 1
            print(f'again in {pause:.0f} s: {trouble}', file=sys.stderr, flush=True)
            ended.wait(pause)
    sys.exit(0)


def measure():
    reading = {'load': os.getloadavg()[0]}
    try:
        reading['temperature'] = int(Path('/sys/class/thermal/thermal_zone0/temp').read_text()) / 1000
    except (OSError, ValueError):
        pass  # Virtual machines have none, and some sensors cannot be read at times.
    return reading


def answer(command, payload):
    if command == 'measure':
        return {'status': 'done', 'reading': measure()}
    if command == 'echo':
        return {'status': 'done', 'echo': payload[:1024].decode(errors='replace')}
    return {'status': 'unknown', 'detail': 'the commands are measure and echo'}


class Connection:
    """One MQTT session, over as many connections as it takes; everything happens in the thread that calls it."""

    def __init__(self, store, provisioner, enrolment):
        self.store, self.provisioner = store, provisioner
        device = enrolment['device']
        self.base = f"fleets/{device['fleet']}/devices/{device['id']}"
        broker = urlsplit(enrolment['mqtt']['url'])
        self.address = broker.hostname, broker.port or 8883
        self.context = provisioner.context()
        self.under_way = {}
        # Debian 13 has Paho 2, which asks which callbacks are meant.
        version = [mqtt.CallbackAPIVersion.VERSION1] if hasattr(mqtt, 'CallbackAPIVersion') else []
        self.client = mqtt.Client(*version, client_id=enrolment['mqtt']['clientId'], protocol=mqtt.MQTTv5)
        self.client.tls_set_context(self.context)
        self.client.on_connect = self.on_connect
        self.client.on_message = self.on_message
        self.client.on_publish = self.on_publish
        self.connected = False

    def open(self):
        # With what the store holds now. The context stays: the next handshake shows what was loaded last.
        self.context.load_cert_chain(self.store.certificate, self.store.key)
        self.context.load_verify_locations(cafile=str(self.store.roots))
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = SESSION_SECONDS
        self.connected = False
        try:
            # The session is kept, so commands wait for a device that is away.
            self.client.connect(*self.address, keepalive=60, clean_start=False, properties=session)
            deadline = time.monotonic() + 30
            while not self.connected and time.monotonic() < deadline and self.turn():
                pass
        except OSError as error:
            raise NotNow(f'the broker: {error}') from error
        if not self.connected:
            raise NotNow('the broker does not let this device in')

    def turn(self):
        """Whether the connection is still there after half a second of it."""
        return self.client.loop(0.5) == mqtt.MQTT_ERR_SUCCESS and not ended.is_set()

    def close(self):
        self.client.disconnect()
        self.client.loop(0.1)

    def publish(self, topic, content):
        payload = json.dumps(content)
        self.under_way[self.client.publish(f'{self.base}/{topic}', payload, qos=1).mid] = payload

    def on_connect(self, _client, _data, _flags, reason, *_more):
        self.connected = reason.value == 0
        if self.connected:
            self.client.subscribe(f'{self.base}/commands/#', 1)

    def on_message(self, _client, _data, message):
        command = message.topic[len(f'{self.base}/commands/'):]
        say(f'command {command}')
        self.publish(f'events/commands/{command}', answer(command, message.payload))

    def on_publish(self, _client, _data, mid, *_more):
        # The platform has stored it.
        say(f'published {self.under_way.pop(mid, "")}')


def live(connection, every, poll):
    """Until somebody says otherwise; raises NotNow when the connection is lost."""
    next_reading, next_question = 0, time.monotonic() + poll
    while connection.turn():
        now = time.monotonic()
        # One reading is under way at a time, so nothing piles up.
        if now >= next_reading and not connection.under_way:
            connection.publish('telemetry/python', measure())
            next_reading = now + every
        if now >= next_question:
            next_question = now + poll
            if renew_if_wanted(connection):
                return
    if not ended.is_set():
        raise NotNow('the connection is lost')


def renew_if_wanted(connection):
    try:
        if not connection.provisioner.wants_renewal():
            return False
        enrolment = connection.provisioner.renew()
    except NotNow as trouble:
        print(f'no renewal yet: {trouble}', file=sys.stderr, flush=True)
        return False
    say(f"renewed {enrolment['device']['id']} {connection.store.serial()}")
    return True


def enrol(store, provisioner, claim_file):
    enrolment = store.load_enrolment()
    if enrolment:
        return enrolment
    try:
        claim = Path(claim_file).read_text().strip()
    except (OSError, ValueError) as error:
        print(f'{claim_file} cannot be read: {error}', file=sys.stderr)
        sys.exit(75)
    store.make_key()
    persist(lambda: provisioner.pin_root(claim))
    return persist(lambda: provisioner.enrol(claim))


def main(url, claim_file, directory, every=10, poll=3600):
    os.umask(0o077)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: ended.set())
    store = Store(directory)
    provisioner = Provisioner(url, store)
    enrolment = enrol(store, provisioner, claim_file)
    say(f"enrolled {enrolment['device']['id']} {store.serial()}")
    connection = Connection(store, provisioner, enrolment)

    def one_connection():
        # Asked before each: what is due is renewed first, and who is refused learns why.
        renew_if_wanted(connection)
        connection.open()
        say('connected')
        try:
            live(connection, float(every), float(poll))
        finally:
            connection.close()

    while not ended.is_set():
        persist(one_connection)


if __name__ == '__main__':
    if len(sys.argv) not in (4, 5, 6):
        print(__doc__, file=sys.stderr)
        sys.exit(64)
    try:
        main(*sys.argv[1:])
    except (Refused, Untrusted) as error:
        print(error, file=sys.stderr)
        sys.exit(77 if isinstance(error, Refused) else 76)
