"""What the programs of a control plane are told: flags, credentials, and which nodes there are."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path

from kube import Object

STAGES = Path(__file__).parents[1] / "cluster" / "kwok" / "stages.yaml"
"""How kwok plays nodes and pods."""

GPUS_OF_A_NODE = 8


def commands(folder: Path, port: int) -> dict[str, list[str]]:
    etcd = f"unix://{folder}/etcd.sock"
    pki = folder / "pki"
    quick = ["--kube-api-qps=300", "--kube-api-burst=600", "--leader-elect=false"]
    return {
        "etcd": [
            f"--data-dir={folder}/etcd",
            f"--listen-client-urls={etcd}",
            "--advertise-client-urls=http://localhost:1",  # must be host:port; nobody goes there
            f"--listen-peer-urls=unix://{folder}/peer.sock",
            "--unsafe-no-fsync=true",
            "--quota-backend-bytes=2147483648",
        ],
        "kube-apiserver": [
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--secure-port={port}",
            f"--cert-dir={pki}",
            f"--token-auth-file={pki}/tokens.csv",
            "--authorization-mode=RBAC",
            # Pods that ask for GPUs may go to nodes tainted for those that do.
            "--enable-admission-plugins=ExtendedResourceToleration",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={pki}/accounts.key",
            f"--service-account-signing-key-file={pki}/accounts.key",
            "--shutdown-delay-duration=0s",
        ],
        "kube-controller-manager": [
            f"--kubeconfig={folder}/controller-manager.kubeconfig",
            f"--service-account-private-key-file={pki}/accounts.key",
            f"--root-ca-file={pki}/apiserver.crt",
            "--use-service-account-credentials",
            "--secure-port=0",
            "--concurrent-job-syncs=10",
            *quick,
        ],
        "kube-scheduler": [
            f"--kubeconfig={folder}/scheduler.kubeconfig",
            "--secure-port=0",
            *quick,
        ],
        "kwok": [
            f"--kubeconfig={folder}/admin.kubeconfig",
            "--manage-nodes-with-label-selector=type=kwok",
            "--node-lease-duration-seconds=40",
            "--cidr=10.245.0.0/16",
            "--node-ip=10.245.255.254",
            f"--config={STAGES}",
        ],
    }


def credentials(folder: Path, port: int) -> None:
    """Write a token for each client, and a kubeconfig each."""
    pki = folder / "pki"
    key = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"]
    subprocess.run([*key, "-out", str(pki / "accounts.key")], check=True, capture_output=True)
    users = {
        "admin": ("admin", "system:masters"),
        "controller-manager": ("system:kube-controller-manager", ""),
        "scheduler": ("system:kube-scheduler", ""),
    }
    rows = []
    for file, (user, groups) in users.items():
        token = secrets.token_hex(16)
        rows.append(f'{token},{user},{user},"{groups}"\n')
        config = json.dumps(_kubeconfig(folder, port, token))
        (folder / f"{file}.kubeconfig").write_text(config)
        (folder / f"{file}.kubeconfig").chmod(0o600)
    (pki / "tokens.csv").write_text("".join(rows))


def _kubeconfig(folder: Path, port: int, token: str) -> Object:
    authority = f"{folder}/pki/apiserver.crt"
    server = {"server": f"https://127.0.0.1:{port}", "certificate-authority": authority}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": server}],
        "users": [{"name": "test", "user": {"token": token}}],
    }


def nodes(gpu_nodes: int) -> Iterator[Object]:
    """Yield the nodes: some with 8 GPUs, tainted as GPU nodes are, and two without."""
    for index in range(gpu_nodes):
        taint = {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
        yield _node(f"gpu-{index}", {"nvidia.com/gpu": str(GPUS_OF_A_NODE)}, [taint])
    for index in range(2):
        yield _node(f"cpu-{index}", {}, [])


def _node(name: str, extra: dict[str, str], taints: list[Object]) -> Object:
    size = {"cpu": "96", "memory": "768Gi", "ephemeral-storage": "1Ti", "pods": "200"} | extra
    labels = {"type": "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
    labels |= {"kubernetes.io/arch": "amd64"}
    if extra:
        labels["nvidia.com/gpu.present"] = "true"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": taints},
        "status": {"capacity": size, "allocatable": size},
    }
