// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.sr.files;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What a commit still has to do: files to put in place and files to remove.
 *
 * <p><b>Invariants:</b> every target appears once, in a move or in a deletion. So the steps may be
 * done in any order, any number of times, and after any part of them was done before.
 *
 * <table>
 * <caption>{@code .varve/commit/<sequence>.json}, besides the fields of {@link Documents}</caption>
 * <tr><th>field</th><th>type</th><th>meaning</th></tr>
 * <tr><td>format</td><td>text</td><td>{@code varve-commit}</td></tr>
 * <tr><td>moves</td><td>array</td><td>what has to be put in place</td></tr>
 * <tr><td>moves[].staged</td><td>text</td><td>a name in {@code .varve/staging}</td></tr>
 * <tr><td>moves[].target</td><td>text</td><td>where it belongs, from the root of the repository</td></tr>
 * <tr><td>deletes</td><td>array of texts</td><td>what has to go</td></tr>
 * </table>
 */
record CommitJournal(List<Move> moves, List<Path> deletes) {
    private static final String FORMAT = "varve-commit";

    /** A staged file and the name it is to get; what has that name now is replaced. */
    record Move(Path staged, Path target) {}

    CommitJournal {
        moves = List.copyOf(moves);
        deletes = List.copyOf(deletes);
    }

    int steps() {
        return moves.size() + deletes.size();
    }

    byte[] encode(Names names) {
        ObjectNode document = Documents.start(FORMAT);
        ArrayNode moveNodes = document.putArray("moves");
        for (Move move : moves) {
            moveNodes
                    .addObject()
                    .put("staged", move.staged().getFileName().toString())
                    .put("target", names.forJournal(move.target()));
        }
        ArrayNode deleteNodes = document.putArray("deletes");
        deletes.forEach(path -> deleteNodes.add(names.forJournal(path)));
        return Documents.encode(document);
    }

    /** The journal, or nothing when it is torn or names files that are none of ours. */
    static Optional<CommitJournal> decode(byte[] content, Names names) {
        return Documents.decode(content, FORMAT, true).flatMap(document -> parse(document, names));
    }

    private static Optional<CommitJournal> parse(ObjectNode document, Names names) {
        List<Move> moves = new ArrayList<>();
        for (JsonNode node : document.path("moves")) {
            Optional<Path> staged = names.stagedFromJournal(node.path("staged").asText());
            Optional<Path> target = names.targetFromJournal(node.path("target").asText());
            if (staged.isEmpty() || target.isEmpty()) {
                return Optional.empty();
            }
            moves.add(new Move(staged.get(), target.get()));
        }
        List<Path> deletes = new ArrayList<>();
        for (JsonNode node : document.path("deletes")) {
            Optional<Path> target = names.targetFromJournal(node.asText());
            if (target.isEmpty()) {
                return Optional.empty();
            }
            deletes.add(target.get());
        }
        return Optional.of(new CommitJournal(moves, deletes));
    }
}
