"""Refuse models outside artifacts/ and data outside data/; what a file holds counts, not only what it is called."""

import sys
from pathlib import Path, PurePosixPath

MODEL = "a model"
DATA = "data"
FOLDER = {MODEL: "artifacts", DATA: "data"}
SIGNATURES = {
    b"PAR1": DATA,
    b"ARROW1": DATA,
    b"FEA1": DATA,
    b"ORC": DATA,
    b"Obj\x01": DATA,
    b"SQLite format 3\x00": DATA,
    b"\x93NUMPY": DATA,
    b"\x89HDF\r\n": DATA,
    b"\x1f\x8b": DATA,
    b"BZh": DATA,
    b"\xfd7zXZ\x00": DATA,
    b"\x28\xb5\x2f\xfd": DATA,
    b"GGUF": MODEL,
}
NAMES = {
    MODEL: (".ckpt", ".h5", ".joblib", ".keras", ".onnx", ".pickle", ".pkl", ".pt", ".pth", ".safetensors", ".tflite"),
    DATA: (".arrow", ".csv", ".dta", ".feather", ".jsonl", ".npy", ".npz", ".parquet", ".sqlite", ".tsv", ".xlsx"),
}
ENOUGH_ROWS = 20


def kind_of(name: str, content: bytes) -> str | None:
    """Whether a file holds a model or data; None for anything else. `content` may be its beginning only."""
    ending = PurePosixPath(name).suffix.lower()
    for signature, kind in SIGNATURES.items():
        if content.startswith(signature):
            return kind if ending != ".svgz" else None
    if content.startswith(b"PK\x03\x04"):  # PyTorch packs a pickle, Excel its sheets, NumPy its arrays
        inside = MODEL if b"data.pkl" in content else DATA
        return inside if any(word in content for word in (b"data.pkl", b"xl/", b".npy")) or ending == ".zip" else None
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return MODEL  # a pickle
    if content[4:8] == b"TFL3" or (content[8:9] == b"{" and b'"dtype"' in content[:200]):
        return MODEL  # TensorFlow Lite; safetensors
    if content[:1] == b"\x08" and any(word in content[:200] for word in (b"skl2onnx", b"pytorch", b"onnx")):
        return MODEL  # ONNX names its producer in the first bytes
    for kind, endings in NAMES.items():
        if ending in endings:
            return kind
    return DATA if _is_a_table(content) else None


def _is_a_table(content: bytes) -> bool:
    """Whether each of the first lines holds the same number, two or more, of the same separator, and no indent."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    lines = content.decode(encoding, errors="replace").splitlines()[:ENOUGH_ROWS]
    return len(lines) == ENOUGH_ROWS and any(
        len(counts := {line.count(separator) for line in lines}) == 1 and counts.pop() >= 2
        for separator in ",;\t"
        if not any(line.startswith((" ", "\t")) for line in lines)
    )


def faults(paths: list[str]) -> list[str]:
    """What must not enter git, one line each."""
    found = []
    for name in paths:
        path = Path(name)
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            kind = kind_of(name, file.read(65536))
        if kind and PurePosixPath(name).parts[0] != FOLDER[kind]:
            found.append(f"{name}:1: this holds {kind}; move it to {FOLDER[kind]}/ or keep it out of git")
    return found


def main(paths: list[str]) -> int:
    found = faults(paths)
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
