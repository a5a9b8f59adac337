"""`taskonomyctl completion`: the script that completes commands, studies and tasks in a shell."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
      bash   eval "$(taskonomyctl completion bash)"      in ~/.bashrc
      zsh    eval "$(taskonomyctl completion zsh)"       in ~/.zshrc
      fish   taskonomyctl completion fish | source       in ~/.config/fish/config.fish
    """
    completer = get_completion_class(shell)
    assert completer is not None  # noqa: S101 - Choice admits only shells that click knows
    root = ctx.find_root().command
    click.echo(completer(root, {}, "taskonomyctl", "_TASKONOMYCTL_COMPLETE").source())
