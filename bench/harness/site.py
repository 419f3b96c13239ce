"""A temporary directory, and a free port, for one run of one peer."""
import os
import shutil
import socket
import tempfile

MEMORY_FILESYSTEMS = {"tmpfs", "ramfs"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def filesystem(path):
    """The type of the file system a path lives on: a durable insert on tmpfs would be a lie."""
    best, kind = "", "unknown"
    path = os.path.realpath(path)
    with open("/proc/mounts", encoding="utf-8") as file:
        for line in file:
            _, mount, found, *_ = line.split()
            inside = path == mount or path.startswith(mount.rstrip("/") + "/")
            if inside and len(mount) >= len(best):
                best, kind = mount, found
    return kind


class Site:
    def __init__(self, parent):
        self.root = tempfile.mkdtemp(prefix="pnb-", dir=parent)
        self.port = free_port()

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root, ignore_errors=True)
