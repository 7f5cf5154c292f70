"""Refuse models outside artifacts/ and data outside data/, by the content of a file as well as by its name."""

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
SUFFIXES = {
    MODEL: (".ckpt", ".h5", ".joblib", ".keras", ".onnx", ".pickle", ".pkl", ".pt", ".pth", ".safetensors", ".tflite"),
    DATA: (".arrow", ".csv", ".dta", ".feather", ".jsonl", ".npy", ".npz", ".parquet", ".sqlite", ".tsv", ".xlsx"),
}
MIN_TABLE_ROWS = 20


def kind_of(name: str, content: bytes) -> str | None:
    """Whether a file holds a model or data; None for anything else. `content` may be its beginning only."""
    suffix = PurePosixPath(name).suffix.lower()
    for signature, kind in SIGNATURES.items():
        if content.startswith(signature):
            return kind if suffix != ".svgz" else None
    if content.startswith(b"PK\x03\x04"):  # PyTorch packs a pickle, Excel its sheets, NumPy its arrays
        if suffix != ".zip" and not any(marker in content for marker in (b"data.pkl", b"xl/", b".npy")):
            return None
        return MODEL if b"data.pkl" in content else DATA
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return MODEL  # a pickle
    if content[4:8] == b"TFL3" or (content[8:9] == b"{" and b'"dtype"' in content[:200]):
        return MODEL  # TensorFlow Lite; safetensors
    if content[:1] == b"\x08" and any(marker in content[:200] for marker in (b"skl2onnx", b"pytorch", b"onnx")):
        return MODEL  # ONNX names its producer in the first bytes
    for kind, suffixes in SUFFIXES.items():
        if suffix in suffixes:
            return kind
    return DATA if _is_table(content) else None


def _is_table(content: bytes) -> bool:
    """Whether each of the first lines holds the same number, two or more, of the same separator, and no indent."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    lines = content.decode(encoding, errors="replace").splitlines()[:MIN_TABLE_ROWS]
    return len(lines) == MIN_TABLE_ROWS and any(
        len(counts := {line.count(separator) for line in lines}) == 1 and counts.pop() >= 2
        for separator in ",;\t"
        if not any(line.startswith((" ", "\t")) for line in lines)
    )


def faults(paths: list[str]) -> list[str]:
    """Return one message for each file that must not enter git."""
    messages = []
    for name in paths:
        path = Path(name)
        if path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as file:
            kind = kind_of(name, file.read(65536))
        if kind and PurePosixPath(name).parts[0] != FOLDER[kind]:
            messages.append(f"{name}:1: this holds {kind}; move it to {FOLDER[kind]}/ or keep it out of git")
    return messages


def main(paths: list[str]) -> int:
    messages = faults(paths)
    print("\n".join(messages), end="\n" if messages else "")
    return 1 if messages else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
