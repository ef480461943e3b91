// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import java.util.List;
import java.util.SequencedMap;

/** What a command shows to its user. */
interface CliOutput {
    /** A text of its own, with a newline. */
    void print(String text);

    /** A text on the error output, with a newline. */
    void printError(String text);

    /** Records: the marked names of fields, and their values. */
    void table(List<SequencedMap<String, String>> records);

    /** Values, one per line. */
    void list(List<String> values);
}
