"""The provisioner's side of the device: enrolment, renewal, and why somebody is refused. Standard library only."""
import hashlib
import http.client
import json
import re
import ssl
from urllib.parse import urlsplit

MAX_BYTES = 131_072
CLAIM = re.compile(r'muster1\.[0-9a-f]{16}\.[A-Za-z0-9_-]{43}\.([0-9a-f]{64})')
PEM = re.compile(r'-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n?', re.DOTALL)
# OpenSSL: a certificate is not valid yet, or no longer. On a first boot it is the device's clock that is wrong.
DATES = {9, 10}
PASSING = {'device-suspended', 'device-pending'}


class Untrusted(Exception):
    """The server is not the one that the claim names, or its answer is not for this device."""


class Refused(Exception):
    """Repeating it would change nothing."""

    def __init__(self, code, detail):
        super().__init__(f'refused: {code}: {detail}')
        self.code = code


class NotNow(Exception):
    """It passes by itself."""

    def __init__(self, why, after=None):
        super().__init__(why)
        self.after = after


class Provisioner:
    def __init__(self, url, store):
        parts = urlsplit(url)
        if parts.scheme != 'https' or not parts.hostname:
            raise ValueError('the provisioner must be like https://muster.example:8443')
        self.host, self.port, self.store = parts.hostname, parts.port or 443, store

    def pin_root(self, claim):
        """The root that the claim names, over a connection that proves nothing and carries no secret."""
        named = CLAIM.fullmatch(claim)
        if not named:
            raise Refused('claim-invalid', 'the file does not hold a claim')
        if self.store.roots.exists():
            return
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        status, answer = self._send(context, 'GET', '/v1/bootstrap')
        if status != 200:
            raise NotNow(f'no roots: {status}')
        for pem in PEM.findall(str(answer.get('roots'))):
            if fingerprint(pem) == named[1]:
                return self.store.write(self.store.roots, pem.encode())
        raise Untrusted(f'{self.host} does not have the root that the claim names')

    def enrol(self, claim):
        return self._certificate('/v1/enrol', {'claim': claim, 'csr': self.store.make_request()}, self.context())

    def renew(self):
        """With the same key, so one rename takes the device from the old certificate to the new one. Both are good until the new one is used."""
        roots = [fingerprint(pem) for pem in PEM.findall(self.store.roots.read_text())]
        return self._certificate('/v1/renew', {'csr': self.store.make_request(), 'roots': roots}, self.identified())

    def wants_renewal(self):
        """Whether it is time. Also how to learn why a broker refuses: it answers, or Refused says the reason."""
        try:
            answer = self._ask(self.identified(), 'GET', '/v1/renewal')
        except Refused as refusal:
            if refusal.code != 'certificate-expired':
                raise
            return True  # Late, but the fleet may let it renew; that decides.
        return answer['window']['start'] <= answer['serverTime']

    def context(self):
        return ssl.create_default_context(cafile=str(self.store.roots))

    def identified(self):
        context = self.context()
        context.load_cert_chain(self.store.certificate, self.store.key)
        return context

    def _certificate(self, path, body, context):
        answer = self._ask(context, 'POST', path, body)
        if answer.get('status') == 'pending':
            raise NotNow('an operator has to approve this device', answer['retryAfter'])
        try:
            return self.store.save_enrolment(answer)
        except (KeyError, TypeError, ValueError) as error:
            raise Untrusted(str(error)) from error

    def _ask(self, context, method, path, body=None):
        status, answer = self._send(context, method, path, body)
        if status in (200, 201, 202):
            return answer
        code = str(answer.get('type', '')).replace('urn:muster:error:', '')
        detail = answer.get('detail', f'status {status}')
        if status == 429 or status >= 500 or code in PASSING:
            raise NotNow(f'{code}: {detail}')
        raise Refused(code, detail)

    def _send(self, context, method, path, body=None):
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=30, context=context)
        headers = {'content-type': 'application/json'} if body else {}
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            text = response.read(MAX_BYTES)
            answer = json.loads(text)
        except ssl.SSLCertVerificationError as error:
            if error.verify_code in DATES:
                raise NotNow(f'{error.verify_message}: the clock may be wrong') from error
            raise Untrusted(f'{self.host} is not the server that the claim names: {error.verify_message}') from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotNow(f'no answer from {self.host}: {error}') from error
        finally:
            connection.close()
        return response.status, answer if isinstance(answer, dict) else {}


def fingerprint(pem):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
