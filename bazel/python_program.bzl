"""Lays out the Python package as setup.cfg does, and starts its programs.

Bazel's own py_binary is not used: its programs see relative paths from the runfiles folder, not
from the user's, and from Bazel 8 on it is a download (rules_python).
"""

_LAUNCHER = """#!/bin/sh
set -eu
self=$0
case $self in /*) ;; *) self=$PWD/$self ;; esac

# A link to this script may stand anywhere; the runfiles are beside the script.
while [ ! -d "$self.runfiles" ] && [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in /*) self=$link ;; *) self=$(dirname "$self")/$link ;; esac
done
tree=$self.runfiles/{workspace}
if [ ! -d "$tree" ]; then
  echo "$0: there is no folder $tree; build the target with Bazel's runfiles enabled." >&2
  exit 1
fi

# "bazel run" starts in the runfiles; paths on the command line are meant from the user's folder.
if [ -n "${BUILD_WORKING_DIRECTORY:-}" ]; then
  cd "$BUILD_WORKING_DIRECTORY"
  unset BUILD_WORKING_DIRECTORY
fi

# Python must not look in the current folder (-P; the variable is for child processes): in a
# checkout it would find nadv2_tf without nadv2_tf.flags.
export PYTHONPATH="$tree${PYTHONPATH:+:$PYTHONPATH}" PYTHONSAFEPATH=1
exec python3 -P -m {module} "$@"
"""

def _path(file):
    """A source file's path from the top of its repository."""
    package = file.owner.package
    return package + "/" + file.owner.name if package else file.owner.name

def _python_tree_impl(ctx):
    links = {_path(file): file for file in ctx.files.srcs}
    for file in ctx.files.subpackages:
        links[ctx.attr.package + "/" + _path(file)] = file
    return [DefaultInfo(
        files = depset(links.values()),
        runfiles = ctx.runfiles(symlinks = links),
    )]

python_tree = rule(
    implementation = _python_tree_impl,
    doc = "Runfiles that hold `srcs` where they are and `subpackages` below `package`.",
    attrs = {
        "package": attr.string(mandatory = True),
        "srcs": attr.label_list(allow_files = True),
        "subpackages": attr.label_list(allow_files = True),
    },
)

def _python_program_impl(ctx):
    module = _path(ctx.file.main)[:-len(".py")].replace("/", ".")
    launcher = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.write(
        launcher,
        _LAUNCHER.replace("{workspace}", ctx.workspace_name).replace("{module}", module),
        is_executable = True,
    )
    return [DefaultInfo(
        executable = launcher,
        runfiles = ctx.attr.tree[DefaultInfo].default_runfiles,
    )]

python_program = rule(
    implementation = _python_program_impl,
    doc = "Runs `main` as a module of `tree` with the python3 that is first on PATH.",
    executable = True,
    attrs = {
        "main": attr.label(allow_single_file = [".py"], mandatory = True),
        "tree": attr.label(mandatory = True),
    },
)
