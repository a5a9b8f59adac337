"""What the programs of a one-node cluster are told: flags, configurations, credentials, addresses.

Everything is in a network namespace without a way out, so the addresses clash with nobody's: a
bridge carries the pods and the cluster's DNS, and a pair of virtual interfaces, `OUTER` in this
machine and `INNER` in the namespace, lets tests reach the API server.
"""

import json
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

NODE = "one-node"
BRIDGE = "pods0"
BRIDGE_IP, POD_CIDR = "10.244.0.1", "10.244.0.0/24"
"""The node's address is the bridge's: pods reach the DNS server there."""
SERVICE_CIDR, API_SERVICE_IP, DNS_IP = "10.96.0.0/16", "10.96.0.1", "10.96.0.10"
API_PORT = 6443
PAUSE_IMAGE = "localhost/pause:1"

USERS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "kube-proxy": ("system:kube-proxy", ""),
    "coredns": ("coredns", "system:masters"),
}
"""Each client: what it is called, and its groups. A DNS server of our own may read everything."""


@dataclass(frozen=True)
class Place:
    """Where one of several clusters on this machine is."""

    folder: Path
    """State; short, as sockets are in it."""
    slot: int
    """Which of them it is: its addresses and its control groups follow."""

    @property
    def outer_interface(self) -> str:
        """This machine's end of the pair."""
        return f"onenode{self.slot}"

    @property
    def outer(self) -> str:
        """Address of this machine's end."""
        return f"10.243.{self.slot}.1"

    @property
    def inner(self) -> str:
        """Address of the namespace's end: the API server's."""
        return f"10.243.{self.slot}.2"

    @property
    def cgroup(self) -> str:
        """Control group of all pods."""
        return f"/taskonomy-node-{self.slot}"

    @property
    def containerd(self) -> str:
        """Socket of the container runtime."""
        return f"{self.folder}/containerd.sock"


# --- flags -------------------------------------------------------------------------------------


def commands(place: Place) -> dict[str, list[str]]:
    """Return the arguments of each program, in the order they are started."""
    folder, pki, etcd = place.folder, place.folder / "pki", f"unix://{place.folder}/etcd.sock"
    quick = ["--kube-api-qps=200", "--kube-api-burst=400", "--leader-elect=false"]
    return {
        "containerd": [f"--config={folder}/containerd.toml"],
        "etcd": [
            f"--data-dir={folder}/etcd",
            f"--listen-client-urls={etcd}",
            "--advertise-client-urls=http://localhost:1",  # must be host:port; nobody goes there
            f"--listen-peer-urls=unix://{folder}/peer.sock",
            "--unsafe-no-fsync=true",
        ],
        "kube-apiserver": [
            f"--etcd-servers={etcd}",
            f"--advertise-address={place.inner}",
            f"--secure-port={API_PORT}",
            f"--cert-dir={pki}",
            f"--token-auth-file={pki}/tokens.csv",
            "--authorization-mode=Node,RBAC",
            "--allow-privileged=true",
            "--enable-admission-plugins=NodeRestriction,ExtendedResourceToleration",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/accounts.key",
            f"--service-account-signing-key-file={pki}/accounts.key",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key",
            "--kubelet-preferred-address-types=InternalIP",
            "--shutdown-delay-duration=0s",
        ],
        "kube-controller-manager": [
            f"--kubeconfig={folder}/controller-manager.kubeconfig",
            f"--service-account-private-key-file={pki}/accounts.key",
            f"--root-ca-file={pki}/apiserver.crt",
            "--use-service-account-credentials",
            "--pvclaimbinder-sync-period=1s",
            "--secure-port=0",
            *quick,
        ],
        "kube-scheduler": [
            f"--kubeconfig={folder}/scheduler.kubeconfig",
            "--secure-port=0",
            *quick,
        ],
        "coredns": ["-conf", f"{folder}/Corefile"],
        "kubelet": [
            f"--config={folder}/kubelet.json",
            f"--kubeconfig={folder}/kubelet.kubeconfig",
            f"--hostname-override={NODE}",
            f"--node-ip={BRIDGE_IP}",
            f"--root-dir={folder}/kubelet",
            f"--cert-dir={folder}/kubelet-pki",
        ],
        # Started before the node object exists it would back off for seconds.
        "kube-proxy": [f"--config={folder}/kube-proxy.json"],
    }


# --- configurations ----------------------------------------------------------------------------


def configure(place: Place) -> None:
    """Write what the programs read."""
    folder = place.folder
    for name in ("pki", "cni", "registries/_default"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    # A registry where nobody listens: a pull fails at once, and leaves no machine.
    (folder / "registries/_default/hosts.toml").write_text('server = "http://127.0.0.1:1"\n')
    (folder / "resolv.conf").write_text(f"nameserver {DNS_IP}\n")
    (folder / "containerd.toml").write_text(_containerd(place))
    (folder / "Corefile").write_text(_corefile(place))
    for name, content in (
        ("cni/10-pods.conflist", _cni(place)),
        ("kubelet.json", _kubelet(place)),
        ("kube-proxy.json", _kube_proxy(place)),
    ):
        (folder / name).write_text(json.dumps(content))
    _credentials(place)


def _containerd(place: Place) -> str:
    return f"""
version = 2
root = "{place.folder}/images"
state = "{place.folder}/containerd"
[grpc]
  address = "{place.containerd}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true  # a machine may lack the capability to lower it
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{place.folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{place.folder}/registries"
"""


def _corefile(place: Place) -> str:
    return f"""
cluster.local in-addr.arpa {{
  bind {BRIDGE_IP}
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {place.folder}/coredns.kubeconfig
  }}
  cache 5
}}
. {{
  bind {BRIDGE_IP}
  template ANY ANY {{
    rcode NXDOMAIN
  }}
}}
"""


def _cni(place: Place) -> dict[str, object]:
    ranges = [[{"subnet": POD_CIDR, "gateway": BRIDGE_IP}]]
    addresses: dict[str, object] = {
        "type": "host-local",
        "dataDir": f"{place.folder}/ipam",
        "ranges": ranges,
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": BRIDGE, "isGateway": True, "hairpinMode": True}
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [{**bridge, "ipMasq": False, "ipam": addresses}],
    }


def _kubelet(place: Place) -> dict[str, object]:
    folder = place.folder
    client = f"{folder}/pki/kubelet-client.crt"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": BRIDGE_IP,
        "readOnlyPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": client},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{place.containerd}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": place.cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "clusterDNS": [DNS_IP],
        "clusterDomain": "cluster.local",
        "resolvConf": f"{folder}/resolv.conf",
        "podLogsDir": f"{folder}/podlogs",
        "volumePluginDir": f"{folder}/volume-plugins",
        "serializeImagePulls": False,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        "nodeStatusUpdateFrequency": "2s",
        "syncFrequency": "10s",
    }


def _kube_proxy(place: Place) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{place.folder}/kube-proxy.kubeconfig"},
        "hostnameOverride": NODE,
        "mode": "iptables",
        "clusterCIDR": POD_CIDR,
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "iptables": {"localhostNodePorts": False, "minSyncPeriod": "100ms"},
    }


def dns_service() -> list[dict[str, object]]:
    """Return the Service that gives the DNS server, which is no pod, its address."""
    meta = {"name": "kube-dns", "namespace": "kube-system"}
    ports = [{"name": p.lower(), "port": 53, "protocol": p} for p in ("UDP", "TCP")]
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"clusterIP": DNS_IP, "ports": ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": meta | {"labels": {"kubernetes.io/service-name": "kube-dns"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [BRIDGE_IP], "conditions": {"ready": True}}],
            "ports": ports,
        },
    ]


# --- credentials -------------------------------------------------------------------------------


def _credentials(place: Place) -> None:
    """Write a token and a kubeconfig for each client, and a certificate for the API server's own.

    It shows that one to the kubelet, which trusts no other.
    """
    pki = place.folder / "pki"
    pki.chmod(0o700)
    key = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"]
    subprocess.run([*key, "-out", f"{pki}/accounts.key"], check=True, capture_output=True)
    request = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    request += ["-nodes", "-days", "30", "-subj", "/O=system:masters/CN=kube-apiserver"]
    request += ["-addext", "extendedKeyUsage=clientAuth"]
    request += ["-keyout", f"{pki}/kubelet-client.key", "-out", f"{pki}/kubelet-client.crt"]
    subprocess.run(request, check=True, capture_output=True)
    rows = []
    for file, (user, groups) in USERS.items():
        token = secrets.token_hex(16)
        rows.append(f'{token},{user},{user},"{groups}"\n')
        path = place.folder / f"{file}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(_kubeconfig(place, token)))
    (pki / "tokens.csv").write_text("".join(rows))


def _kubeconfig(place: Place, token: str) -> dict[str, object]:
    authority = f"{place.folder}/pki/apiserver.crt"
    server = {"server": f"https://{place.inner}:{API_PORT}", "certificate-authority": authority}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "node",
        "contexts": [{"name": "node", "context": {"cluster": "node", "user": "node"}}],
        "clusters": [{"name": "node", "cluster": server}],
        "users": [{"name": "node", "user": {"token": token}}],
    }
