# complete.zsh SCRIPT LINE: what zsh would offer for LINE, one candidate per line. A shell on a
# pseudo terminal types LINE and Tab; every candidate passes through compadd, which writes it down.
zmodload zsh/zpty
script=$1
line=$2
out=$(mktemp)
zpty shell zsh -f -i
zpty -w shell "PS1= PS2= RPS1=; unsetopt zle_bracketed_paste prompt_cr prompt_sp; autoload -Uz compinit; compinit -u -D"
zpty -w shell "source ${(q)script}"
# compadd -O tells which words of its arguments match what was typed.
zpty -w shell "compadd() { local -a __hits; builtin compadd -O __hits \"\$@\"; print -rl -- \$__hits >> $out; builtin compadd \"\$@\" }"
zpty -w shell "done-completing() { print -r -- '#END' >> $out }; zle -N done-completing; bindkey '^X^E' done-completing; bindkey '^I' complete-word"
zpty -w -n shell "$line"$'\t'$'\x18\x05'
for ((i = 0; i < 200; ++i)); do
  grep -q '^#END$' $out && break
  # The terminal must be read, or the shell waits for us.
  zpty -r -t shell chunk && :
  sleep 0.05
done
zpty -d shell
# _arguments and _describe pass options with their value separator; a doubled call repeats words.
grep -v -e '^#END$' -e '^$' $out | sed 's/=$//' | sort -u
rm -f $out
