# Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.
#
# Completion of xe and varve for bash. The daemon is asked how a line may go on; when none answers,
# nothing is completed and nothing is said.

# Puts the words of the line before the cursor into the array _varve_words, and the word at the cursor
# into _varve_current. Bash takes words apart at = and :, which is undone here.
_varve_line() {
    local rest=${COMP_LINE:0:COMP_POINT} index word joined=
    _varve_words=()
    for ((index = 0; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        joined=
        if ((index > 0)) && [[ $rest != [[:blank:]]* ]]; then
            joined=yes
        fi
        while [[ $rest == [[:blank:]]* ]]; do
            rest=${rest:1}
        done
        # The word at the cursor may go on behind it.
        ((index == COMP_CWORD)) && word=$rest
        rest=${rest:${#word}}
        if [[ -n $joined ]]; then
            _varve_words[${#_varve_words[@]} - 1]+=$word
        else
            _varve_words+=("$word")
        fi
    done
    index=$((${#_varve_words[@]} - 1))
    _varve_current=${_varve_words[index]}
    unset "_varve_words[index]"
    for index in "${!_varve_words[@]}"; do
        _varve_words[index]=$(_varve_plain "${_varve_words[index]}")
    done
}

# A word without the quotes and backslashes that the shell will take from it.
_varve_plain() {
    local text=$1 plain='' quote='' char index
    for ((index = 0; index < ${#text}; index++)); do
        char=${text:index:1}
        if [[ $quote == "'" ]]; then
            if [[ $char == "'" ]]; then quote=''; else plain+=$char; fi
        elif [[ $char == \\ ]]; then
            ((index++))
            plain+=${text:index:1}
        elif [[ -n $quote ]]; then
            if [[ $char == "$quote" ]]; then quote=''; else plain+=$char; fi
        elif [[ $char == [\"\'] ]]; then
            quote=$char
        else
            plain+=$char
        fi
    done
    printf '%s' "$plain"
}

# The quote that is open at the end of a word.
_varve_quote() {
    local text=$1 quote='' char index
    for ((index = 0; index < ${#text}; index++)); do
        char=${text:index:1}
        if [[ $char == \\ && $quote != "'" ]]; then
            ((index++))
        elif [[ -n $quote ]]; then
            [[ $char == "$quote" ]] && quote=''
        elif [[ $char == [\"\'] ]]; then
            quote=$char
        fi
    done
    printf '%s' "$quote"
}

# The part of a word that bash leaves on the line.
_varve_kept() {
    local text=$1 quote='' kept='' char index
    for ((index = 0; index < ${#text}; index++)); do
        char=${text:index:1}
        if [[ $char == \\ && $quote != "'" ]]; then
            ((index++))
        elif [[ -n $quote ]]; then
            [[ $char == "$quote" ]] && quote=''
        elif [[ $char == [\"\'] ]]; then
            quote=$char
        elif [[ $char == [=:] && $COMP_WORDBREAKS == *"$char"* ]]; then
            kept=${text:0:index+1}
        fi
    done
    printf '%s' "$kept"
}

# Offers names of files that go on from $1, the part of the word behind the last = or :.
_varve_files() {
    local file
    compopt -o filenames 2>/dev/null
    while IFS= read -r file; do
        COMPREPLY+=("$file")
    done < <(compgen -f -- "$1")
}

# Offers what the daemon knows: $1 is a program that speaks to it, $2 what stands in front of the word
# for the daemon but not on the line, and the rest the words before the cursor.
_varve_ask() {
    local program=$1 hidden=$2
    shift 2
    local current quote word meaning separator=$'\037' line=
    quote=$(_varve_quote "$_varve_current")
    current=$(_varve_plain "$_varve_current")
    for word in "$@"; do
        line+=$word$separator
    done
    # What bash replaces begins behind the last character that takes words apart.
    local kept
    kept=$(_varve_plain "$(_varve_kept "$_varve_current")")
    local -a answers=() meanings=()
    while IFS=$'\t' read -r word meaning; do
        if [[ $word == :files ]]; then
            _varve_files "${current#"$kept"}"
            return
        fi
        answers+=("${word#"$hidden"}")
        meanings+=("$meaning")
    done < <(VARVE_COMPLETING=1 command "$program" "${_varve_options[@]}" varve-complete \
        "line=$line" "current=$hidden$current" </dev/null 2>/dev/null)
    _varve_offer
}

# Makes replies of answers, with their meanings where they are listed for a person to read.
_varve_offer() {
    local index answer last
    for index in "${!answers[@]}"; do
        answer=${answers[index]#"$kept"}
        last=${answer: -1}
        if ((${#answers[@]} > 1)) && [[ ${COMP_TYPE:-9} == 63 || ${COMP_TYPE:-9} == 33 ]]; then
            # A list: bash puts only what all have in common onto the line.
            [[ -n ${meanings[index]} ]] && answer+="  (${meanings[index]})"
        elif [[ -z $quote ]]; then
            answer=$(_varve_escape "$answer")
        fi
        COMPREPLY+=("$answer")
    done
    if ((${#COMPREPLY[@]} == 1)) && [[ $last == [=:,] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

# A word as it has to be typed outside of quotes.
_varve_escape() {
    local text=$1 escaped='' char index
    for ((index = 0; index < ${#text}; index++)); do
        char=${text:index:1}
        case $char in
            [\ \"\'\\\$\`\&\;\|\<\>\(\)\*\?\[\]\{\}\!\#\~]) escaped+=\\$char ;;
            *) escaped+=$char ;;
        esac
    done
    printf '%s' "$escaped"
}

# Removes the options of xe from the words and keeps them: the daemon they name is the one to ask.
_varve_take_options() {
    local -a words=()
    local word
    _varve_options=()
    while (($# > 0)); do
        word=$1
        shift
        case $word in
            -s | -h | -p | -u | -pw | -pwf)
                if (($# == 0)); then
                    _varve_words=("$word")
                    return 1
                fi
                _varve_options+=("$word" "$1")
                shift
                ;;
            --nossl) _varve_options+=("$word") ;;
            --debug | --debug-on-fail) ;;
            *) words+=("$word") ;;
        esac
    done
    _varve_words=("${words[@]}")
}

_varve_xe() {
    local -a _varve_words=() _varve_options=()
    local _varve_current=
    COMPREPLY=()
    _varve_line
    if ! _varve_take_options "${_varve_words[@]:1}"; then
        # The value of an option.
        case ${_varve_words[0]} in
            -s | -h) mapfile -t COMPREPLY < <(compgen -A hostname -- "$_varve_current") ;;
            -pwf) _varve_files "$_varve_current" ;;
        esac
        return
    fi
    _varve_ask "$1" '' "${_varve_words[@]}"
}

# The commands of the launcher, as its help lists them.
_varve_commands() {
    "$1" help 2>/dev/null </dev/null |
        sed -n 's/^  \([a-z][a-z |]*[a-z]\).*/\1/p' | tr '|' '\n' |
        while read -r word _; do
            printf '%s\n' "$word"
        done
}

_varve() {
    local -a _varve_words=() _varve_options=()
    local _varve_current='' choices='' program=$1
    COMPREPLY=()
    _varve_line
    case ${#_varve_words[@]}:${_varve_words[1]:-} in
        1:) choices=$(_varve_commands "$program") ;;
        *:xe)
            _varve_take_options "${_varve_words[@]:2}" || return
            _varve_options=(xe "${_varve_options[@]}")
            _varve_ask "$program" '' "${_varve_words[@]}"
            return
            ;;
        2:attach | 2:detach | 2:tree)
            if [[ $_varve_current == -* ]]; then
                [[ ${_varve_words[1]} == attach ]] && choices=--read-only
            else
                _varve_options=(xe)
                _varve_ask "$program" uuid= "varve-${_varve_words[1]}"
                return
            fi
            ;;
        3:attach) choices=--read-only ;;
        2:vhd) choices='check info map repair' ;;
        *:vhd)
            _varve_files "$_varve_current"
            return
            ;;
        2:bench) choices='nbd chain' ;;
        *:test) choices='--fast --module --test --sim-seed' ;;
        *:install | *:uninstall)
            if [[ ${_varve_words[-1]} == --prefix ]]; then
                _varve_files "$_varve_current"
                return
            fi
            choices='--prefix --user'
            ;;
        2:daemon) choices=--home ;;
        3:daemon)
            _varve_files "$_varve_current"
            return
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$_varve_current")
}

complete -F _varve_xe xe
complete -F _varve varve
