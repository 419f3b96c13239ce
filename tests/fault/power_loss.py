"""PowerLoss: what is on the disk after a loss of power, from what power_shim.c has noted.

A host runs with the library in LD_PRELOAD; then all of its processes are killed and `happens` gives the
data directory one of the contents that the disk may have. `torn=False`: nothing but what was synced.
`torn=True`: of each file also some of the sectors (512 or 4096 bytes) that were not, and perhaps the
name, removal or length that was not. Invariant: a sector holds what was synced last or what was
written last, never a mixture; what was synced is never touched."""

import os
import pathlib
import subprocess

SHIM = pathlib.Path(__file__).resolve().parent / "power_shim.c"


class PowerLoss:
    def __init__(self, folder, data, chance):
        self.data, self.chance = pathlib.Path(data), chance
        self.library = pathlib.Path(folder) / "power_shim.so"
        self.sectors_lost = self.sectors_kept = self.files_torn = self.names_lost = 0
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(self.library), str(SHIM), "-ldl", "-lpthread"],
            check=True)

    def environment(self, lies=False):
        settings = {"LD_PRELOAD": str(self.library), "POWER_SHIM_DATA": str(self.data), "POWER_SHIM_SYNC_US": "4000"}
        return settings | ({"POWER_SHIM_LIES": "1"} if lies else {})

    def happens(self, torn):
        """Of a directory in which no process is at work."""
        for place in [self.data, *(p for p in self.data.iterdir() if p.is_dir() and p.name not in ("run", "tmp"))]:
            files = [p for p in place.iterdir() if p.is_file()]
            shadows = (".durable", ".nameless")
            names = {p.stem if p.suffix in shadows else p.name for p in files}
            for name in sorted(names):
                if name.endswith("-shm"):
                    self.lose_memory(place / name)
                else:
                    self.settle(place / name, torn)

    def lose_memory(self, path):
        """Nothing syncs it, and it is made anew: it may be gone, or hold anything."""
        size = path.stat().st_size
        path.unlink()
        if self.chance.random() < 0.5:
            path.write_bytes(self.chance.randbytes(size))

    def settle(self, path, torn):
        """Gives one name its content, or takes it away."""
        live, durable, nameless = (content(p) for p in (path, beside(path, "durable"), beside(path, "nameless")))
        result = self.torn(live, durable, nameless) if torn else durable
        if not torn and durable is not None and live is not None:
            self.sectors_lost += sum(durable[at:at + 512] != live[at:at + 512]
                for at in range(0, len(live), 512))
        for old in (path, beside(path, "durable"), beside(path, "nameless")):
            old.unlink(missing_ok=True)
        if result is None:
            self.names_lost += live is not None
            return
        path.write_bytes(result)
        path.chmod(0o600)
        beside(path, "durable").write_bytes(result)  # it is on the disk now

    def torn(self, live, durable, nameless):
        coin = self.chance.random() < 0.5
        if live is None:  # removed, but perhaps not on the disk
            return durable if coin else None
        if nameless is not None:  # made or renamed, but perhaps not on the disk
            return self.mix(nameless, live) if coin else durable
        if durable is None:  # never synced
            return self.mix(b"", live) if coin else None
        return self.mix(durable, live)

    def mix(self, synced, live):
        if synced == live:
            return synced
        size, share = self.chance.choice([512, 4096]), self.chance.choice([0.05, 0.5, 0.95])
        result = bytearray(synced.ljust(len(live), b"\0"))
        for at in range(0, len(live), size):
            piece = live[at:at + size]
            if piece == result[at:at + len(piece)]:
                continue
            if self.chance.random() < share:
                result[at:at + len(piece)] = piece
                self.sectors_kept += 1
            else:
                self.sectors_lost += 1
        self.files_torn += 1
        return bytes(result[:self.chance.choice([len(synced), len(live)])])


def beside(path, kind):
    return path.with_name(f"{path.name}.{kind}")


def content(path):
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def without_shim():
    """The environment of programs that are no part of the machine whose power fails."""
    return {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
