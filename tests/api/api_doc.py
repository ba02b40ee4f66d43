"""Writes the reference part of docs/api.md from the comments of proto/pratique/v1.

  api_doc.py SET PAGE [--check]    SET: a descriptor set with source info; --check: fail if the page is not current

What stands above the mark is written by hand and is kept. A name without a comment is a fault.
"""

import re
import sys

from google.protobuf import descriptor_pb2

MARK = "<!-- From here on made of the comments in proto/ by tests/api/api_doc.py; write there. -->"
ENUM, MESSAGE, SERVICE = 5, 4, 6  # numbers of FileDescriptorProto's fields, which are the steps of a path
FIELD, NESTED, VALUE, METHOD = 2, 3, 2, 2


class Comments:
    def __init__(self, file):
        self.file = file.name
        self.by_path = {tuple(l.path): l.leading_comments for l in file.source_code_info.location}

    def of(self, path, name):
        text = self.by_path.get(path, "").strip()
        if not text:
            sys.exit(f"api_doc: {self.file}: {name} has no comment")
        return [" ".join(part.split()) for part in text.split("\n\n" if "\n\n" in text else "\n \n")]


def cell(parts):
    return " ".join(parts).replace("|", "\\|")


def type_name(name):
    return name.rsplit(".", 1)[-1] if name.startswith(".pratique.v1.") else name.lstrip(".")


def type_of(field, message):
    kinds = descriptor_pb2.FieldDescriptorProto
    name = kinds.Type.Name(field.type)[len("TYPE_") :].lower()
    if field.type_name:
        entry = next((n for n in message.nested_type if n.options.map_entry and field.type_name.endswith("." + n.name)), None)
        if entry is not None:
            return f"map of {type_of(entry.field[0], entry)} to {type_of(entry.field[1], entry)}"
        name = type_name(field.type_name)
    return f"repeated {name}" if field.label == kinds.LABEL_REPEATED else name


def rows(out, head, lines):
    out += [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    out += [f"| {line} |" for line in lines]
    out.append("")


def message(out, comments, path, it, prefix=""):
    name = prefix + it.name
    out += [f"### {name}", ""] + [t for part in comments.of(path, name) for t in (part, "")]
    lines = []
    for i, field in enumerate(it.field):
        text = cell(comments.of(path + (FIELD, i), f"{name}.{field.name}"))
        if field.HasField("oneof_index"):
            text = f"One of `{it.oneof_decl[field.oneof_index].name}`. {text}"
        lines.append(f"{field.number} | `{field.name}` | {type_of(field, it)} | {text}")
    if lines:
        rows(out, "number | field | type | what", lines)
    for i, nested in enumerate(it.nested_type):
        if not nested.options.map_entry:
            message(out, comments, path + (NESTED, i), nested, name + ".")


def enumeration(out, comments, path, it):
    out += [f"### {it.name}", ""] + [t for part in comments.of(path, it.name) for t in (part, "")]
    lines = [f"{v.number} | `{v.name}` | {cell(comments.of(path + (VALUE, i), v.name))}" for i, v in enumerate(it.value)]
    rows(out, "number | value | what", lines)


def service(out, comments, path, it):
    out += [f"### {it.name}", ""] + [t for part in comments.of(path, it.name) for t in (part, "")]
    for i, method in enumerate(it.method):
        asked = ("stream of " if method.client_streaming else "") + type_name(method.input_type)
        answered = ("stream of " if method.server_streaming else "") + type_name(method.output_type)
        out += [f"**{method.name}** ({asked}) returns ({answered})", ""]
        out += [t for part in comments.of(path + (METHOD, i), method.name) for t in (part, "")]


def reference(files):
    out = []
    for file in sorted(files, key=lambda f: (not f.service, f.name)):
        if not file.name.startswith("pratique/"):
            continue
        comments = Comments(file)
        out += [f"## {file.name}", ""]
        for number, members, write in (
            (SERVICE, file.service, service),
            (MESSAGE, file.message_type, message),
            (ENUM, file.enum_type, enumeration),
        ):
            for i, member in enumerate(members):
                write(out, comments, (number, i), member)
    return "\n".join(out).rstrip() + "\n"


def main():
    with open(sys.argv[1], "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read()).file
    with open(sys.argv[2], encoding="utf-8") as file:
        page = file.read()
    if MARK not in page:
        sys.exit(f"api_doc: {sys.argv[2]} lacks the line {MARK}")
    whole = page[: page.index(MARK)] + MARK + "\n\n" + re.sub(r"\n{3,}", "\n\n", reference(files))
    if sys.argv[3:] == ["--check"]:
        if whole != page:
            sys.exit(f"api_doc: {sys.argv[2]} is not what proto/ says; ./dev test-api --update writes it anew")
        return
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(whole)


if __name__ == "__main__":
    main()
