# One life of a device, by the Paho client for Python; prints a line for each thing that happened.
# python3 paho-python.py <host> <port> <ca> <cert> <key> <device> <4|5> <first|again>
import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

host, port, ca, cert, key, device, level, visit = sys.argv[1:]
of = f'fleets/default/devices/{device}'
heard = queue.Queue()
five = level == '5'
session = {}
if five:
    session = {'clean_start': False, 'properties': Properties(PacketTypes.CONNECT)}
    session['properties'].SessionExpiryInterval = 3600


def say(*words):
    print(*words, flush=True)


def wait_for(what):
    while True:
        name, value = heard.get(timeout=20)
        if name == what:
            return value


def code(reason):
    return getattr(reason, 'value', reason)


client = mqtt.Client(device, protocol=mqtt.MQTTv5 if five else mqtt.MQTTv311, **({} if five else {'clean_session': False}))
client.tls_set(ca_certs=ca, certfile=cert, keyfile=key)
client.on_connect = lambda _client, _data, flags, reason, *_more: heard.put(('connected', (code(reason), flags['session present'])))
client.on_subscribe = lambda _client, _data, _id, granted, *_more: heard.put(('granted', code(granted[0])))
client.on_message = lambda _client, _data, message: heard.put(('command', message.payload.decode()))
client.connect(host, int(port), **session)
client.loop_start()
reason, present = wait_for('connected')
say('connected', reason, present)
if visit == 'first':
    for qos in (0, 1, 2):
        client.publish(f'{of}/telemetry/paho', f'qos {qos}', qos).wait_for_publish(20)
        say('published', qos)
    client.subscribe('fleets/default/devices/somebody-else/commands/#', 1)
    say('refused', wait_for('granted'))
    client.subscribe(f'{of}/commands/#', 1)
    say('granted', wait_for('granted'))
say('command', wait_for('command'))
client.disconnect()
client.loop_stop()
