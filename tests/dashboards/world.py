"""A small installation on this machine: a broker, a database, three tenants' APIs, two workers, and a Prometheus that watches them."""

import json
import os
import shlex
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "target" / "dashboards"
WORKER = ROOT / "target" / "debug" / "docplanner-worker"
SIMULATOR = ROOT / "target" / "debug" / "docplanner-simulator"
NAME = "dashboards"
WORLD = ("--country", "poland", "--facilities", "4")

# Each tenant's API: its credentials, and how much it may be asked.
TENANTS = {"acme": (), "clinic": (), "south": ("--rate-limit", "60/m")}

WORKER_SETTINGS = """\
[broker]
url = "{broker}"
retry_delays = ["2s", "4s", "8s"]

[database]
url = "{database}"

[http]
listen = "127.0.0.1:{port}"
"""

# A payment's outcome has to be seen within the run.
TENANT_SETTINGS = """
[[tenants]]
id = "{tenant}"
domain = "znanylekarz.pl"
base_url = "http://127.0.0.1:{port}"
client_id = "{tenant}"
client_secret = "secret"
flags_ttl = "5s"
[tenants.payments]
window = "3s"
grace = "1s"
[tenants.video]
reminders = ["10s"]
"""

PROMETHEUS_SETTINGS = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: docplanner-worker
    static_configs:
{targets}
"""


class Failure(Exception):
    """Something that makes the run pointless, in a sentence."""


def say(text):
    print(f"dashboards: {text}", flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(what, is_so, seconds=60):
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds} s; the logs are in {FOLDER.relative_to(ROOT)}")
        time.sleep(0.1)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def servers(*arguments):
    """The checkout's own RabbitMQ and PostgreSQL; see tests/servers."""
    command = [ROOT / "tests" / "servers", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


class World:
    """Everything that runs. Ends with the `with` block."""

    def __init__(self, prometheus_folder):
        self.prometheus_folder = prometheus_folder
        self.processes = {}
        self.apis = {tenant: free_port() for tenant in TENANTS}
        self.workers = [free_port(), free_port()]
        self.prometheus = free_port()
        self.broker = self.database = None

    def __enter__(self):
        FOLDER.mkdir(parents=True, exist_ok=True)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.start_servers()
        for tenant, limits in TENANTS.items():
            self.start_process(f"api-{tenant}", SIMULATOR, "api", "--listen", f"127.0.0.1:{self.apis[tenant]}",
                               "--client", f"{tenant}:secret", *self.seed(tenant), *limits)
        for tenant, port in self.apis.items():
            wait_until(f"the API of {tenant} answers", lambda port=port: answers(f"http://127.0.0.1:{port}/_simulator/requests"))
        for number in range(len(self.workers)):
            self.write_settings(number)
        subprocess.run([WORKER, "migrate", "--config", self.settings(0)], check=True, stdout=subprocess.DEVNULL)
        for number in range(len(self.workers)):
            self.start_process(f"worker-{number}", WORKER, "run", "--config", self.settings(number))
        for port in self.workers:
            wait_until("the workers are ready", lambda port=port: answers(f"http://127.0.0.1:{port}/readyz"))
        self.start_prometheus()

    def start_servers(self):
        servers("up")
        addresses = dict(word.split("=", 1) for line in servers("env").splitlines() for word in shlex.split(line))
        self.broker = addresses["AMQP_URL"].rsplit("/", 1)[0] + f"/{NAME}"
        self.database = addresses["DATABASE_URL"].rsplit("/", 1)[0] + f"/{NAME}"
        # Fresh ones: nothing is a duplicate of the last run.
        if NAME in servers("rabbitmqctl", "-q", "list_vhosts").split():
            servers("rabbitmqctl", "-q", "delete_vhost", NAME)
        servers("rabbitmqctl", "-q", "add_vhost", NAME)
        servers("rabbitmqctl", "-q", "set_permissions", "-p", NAME, "guest", ".*", ".*", ".*")
        # In place of partners who consume: what is in their queues is gone after a while.
        partners = r"^partner\.(onsite|online|unclassified)"
        servers("rabbitmqctl", "-q", "set_policy", "-p", NAME, "partners", partners, '{"message-ttl": 5000}', "--apply-to", "queues")
        servers("psql", "-q", "-c", "SET client_min_messages = error", "-c", f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)",
                "-c", f"CREATE DATABASE {NAME}")

    def start_prometheus(self):
        rules = ROOT / "deploy" / "prometheus" / "alerts.yaml"
        targets = "\n".join(
            f'      - {{targets: ["127.0.0.1:{port}"], labels: {{namespace: clinics, pod: worker-{number}}}}}'
            for number, port in enumerate(self.workers)
        )
        settings = FOLDER / "prometheus.yml"
        settings.write_text(PROMETHEUS_SETTINGS.format(rules=rules, targets=targets))
        data = FOLDER / "prometheus-data"
        subprocess.run(["rm", "-rf", "--one-file-system", data], check=True)
        self.start_process("prometheus", self.prometheus_folder / "prometheus", f"--config.file={settings}", f"--storage.tsdb.path={data}",
                           f"--web.listen-address=127.0.0.1:{self.prometheus}")
        wait_until("Prometheus is ready", lambda: answers(f"http://127.0.0.1:{self.prometheus}/-/ready"))

    def settings(self, number):
        return FOLDER / f"worker-{number}.toml"

    def write_settings(self, number, ending=""):
        """The settings of a worker, whole at once, with something behind them. A worker that runs notices."""
        text = WORKER_SETTINGS.format(broker=self.broker, database=self.database, port=self.workers[number])
        for tenant, port in self.apis.items():
            text += TENANT_SETTINGS.format(tenant=tenant, port=port)
        new = self.settings(number).with_suffix(".new")
        new.write_text(text + ending)
        new.rename(self.settings(number))

    @staticmethod
    def seed(tenant):
        return ("--seed", str(1 + list(TENANTS).index(tenant)), *WORLD)

    def notify(self, tenant, *options, start="now"):
        """Notifications for a tenant, until they are told or the run ends. With the same start they are the same."""
        name = f"notifications-{tenant}"
        if name in self.processes:
            name += "-burst"
        self.start_process(name, SIMULATOR, "notifications", "--amqp-url", self.broker, "--tenant", tenant, "--start", start,
                           "--api-url", f"http://127.0.0.1:{self.apis[tenant]}", *self.seed(tenant), *options)

    def fault(self, tenant, effect):
        """From now on the tenant's API answers like this; `None`: as it should."""
        url = f"http://127.0.0.1:{self.apis[tenant]}/_simulator/faults"
        body = None if effect is None else json.dumps({"on": "/facilities", "effect": effect}).encode()
        method = "DELETE" if effect is None else "POST"
        request = urllib.request.Request(url, data=body, method=method, headers={"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=5).close()

    def start_process(self, name, *command):
        with open(FOLDER / f"{name}.log", "w") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=os.environ)

    def insist_on_processes(self):
        """Workers, APIs and Prometheus are meant to stay."""
        for name, process in self.processes.items():
            if process.poll() not in (None, 0):
                raise Failure(f"{name} ended with exit code {process.returncode}; see {FOLDER.relative_to(ROOT)}/{name}.log")

    def stop(self):
        """What was started last goes first, so that nobody misses whom it needs."""
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
