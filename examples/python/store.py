"""What the device keeps, in a directory: each file takes its place in one step that survives a power cut."""
import json
import os
import subprocess
from pathlib import Path


class Store:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.key = self.directory / 'key.pem'
        self.roots = self.directory / 'roots.pem'
        # The one file that says "enrolled"; the certificate is made from it.
        self.enrolment = self.directory / 'enrolment.json'
        self.certificate = self.directory / 'certificate.pem'

    def write(self, path, data):
        draft = path.with_name(path.name + '.new')
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        directory = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def make_key(self):
        """The claim is bound to the first key that shows it: this one is on disk before anybody hears of it."""
        if not self.key.exists():
            self.write(self.key, openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'))

    def make_request(self):
        return openssl('req', '-new', '-key', self.key, '-subj', '/CN=device').decode()

    def load_enrolment(self):
        if not self.enrolment.exists():
            return None
        enrolment = json.loads(self.enrolment.read_bytes())
        # A power cut may have come between the two files.
        self.write(self.certificate, (enrolment['certificate'] + enrolment['chain']).encode())
        return enrolment

    def save_enrolment(self, enrolment):
        """Keeps an answer if it is for our key and leads to a root that is trusted. Raises ValueError if not."""
        offered = self.directory / 'offered.pem'
        offered.write_text(enrolment['certificate'] + enrolment['chain'])
        if openssl('x509', '-in', offered, '-noout', '-pubkey') != openssl('pkey', '-in', self.key, '-pubout'):
            raise ValueError('the certificate that was answered is for another key')
        # While roots are being rolled, the verified server says which ones count from now on.
        roots = enrolment.get('roots')
        trusted = self.directory / 'offered-roots.pem' if roots else self.roots
        if roots:
            trusted.write_text(roots)
        try:
            openssl('verify', '-CAfile', trusted, '-untrusted', offered, '-purpose', 'sslclient', offered)
        except subprocess.CalledProcessError as error:
            raise ValueError('the certificate that was answered does not lead to a trusted root') from error
        if roots:
            self.write(self.roots, roots.encode())
        self.write(self.enrolment, json.dumps(enrolment).encode())
        return self.load_enrolment()

    def serial(self):
        line = openssl('x509', '-in', self.certificate, '-noout', '-serial').decode()
        return line.strip().split('=')[1].lower()


def openssl(*arguments):
    done = subprocess.run(['openssl', *map(str, arguments)], check=True, capture_output=True)
    return done.stdout
