// Copyright the Varve authors. Licensed under the Apache License 2.0; see LICENSE.

package dev.varve.hv.cli;

import dev.varve.hv.http.Route;
import dev.varve.hv.xe.CliWire;
import dev.varve.hv.xenapi.ApiObject;
import dev.varve.hv.xenapi.Caller;
import dev.varve.hv.xenapi.Database;
import dev.varve.hv.xenapi.Dispatcher;
import dev.varve.hv.xenapi.Records;
import dev.varve.hv.xenapi.Tasks;
import dev.varve.hv.xenapi.schema.ApiSchema;
import dev.varve.vdi.ErrorCode;
import dev.varve.vdi.StorageException;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * The server's side of the thin command line protocol: takes a connection over, evaluates the
 * command and sends what the client is to show.
 *
 * <p><b>Threads:</b> any; each connection has its own.
 */
public final class CliServer implements Route.Takeover {
    private static final Logger LOG = LoggerFactory.getLogger(CliServer.class);

    private final Dispatcher dispatcher;
    private final Database database;
    private final Records records;
    private final Tasks tasks;
    private final CliCommands commands;

    /**
     * @param control what the launchers of the daemon ask for
     */
    public CliServer(
            ApiSchema schema,
            Dispatcher dispatcher,
            Database database,
            Records records,
            Tasks tasks,
            Control control) {
        this.dispatcher = dispatcher;
        this.database = database;
        this.records = records;
        this.tasks = tasks;
        this.commands = new CliCommands(schema, ControlCommands.of(control));
    }

    @Override
    public boolean readsBodyFirst() {
        return true;
    }

    @Override
    public void run(Route.Request request, InputStream in, OutputStream out) throws IOException {
        out.write(CliWire.greeting());
        CliWire.expectGreeting(in);
        int code;
        try {
            String body = new String(request.body(), StandardCharsets.UTF_8);
            ClientFiles files = new ClientFiles(tasks, in, out);
            code = evaluate(request.caller(), body, files, out);
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
        new CliWire.Writer(CliWire.COMMAND, CliWire.EXIT).number(code).send(out);
    }

    private static void send(OutputStream out, int tag, String text) {
        try {
            new CliWire.Writer(CliWire.COMMAND, tag).text(text).send(out);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private int evaluate(Caller caller, String body, ClientFiles files, OutputStream out) {
        boolean minimal = false;
        CliOutput plain = output(out, false);
        try {
            CliArgs args = CliArgs.parse(body);
            minimal = args.flag("minimal");
            CliCommand command =
                    commands.find(args.command())
                            .orElseThrow(
                                    () ->
                                            UsageException.syntax(
                                                    "Unknown command: " + args.command()));
            command.check(args);
            if (!args.words().isEmpty() && !args.command().equals("help")) {
                throw UsageException.syntax("Syntax error: " + args.words().getFirst());
            }
            perform(caller, command, args, files, output(out, minimal));
            return 0;
        } catch (UsageException e) {
            plain.printError(e.getMessage());
            if (e.hint()) {
                plain.printError("For usage run: 'xe help'");
            }
        } catch (StorageException e) {
            plain.printError(new FailureText(database).of(e));
        } catch (UncheckedIOException e) {
            throw e;
        } catch (RuntimeException e) {
            LOG.error("a command failed", e);
            plain.printError("Error: the server failed: " + e);
        }
        return 1;
    }

    private static CliOutput output(OutputStream out, boolean minimal) {
        return new TextOutput(
                text -> send(out, CliWire.PRINT, text),
                text -> send(out, CliWire.PRINT_STDERR, text),
                minimal);
    }

    private void perform(
            Caller caller, CliCommand command, CliArgs args, ClientFiles files, CliOutput out) {
        boolean given = args.get("session_id").isPresent();
        String session = given ? args.require("session_id") : login(caller, args);
        try {
            CliSession own = new CliSession(dispatcher, database, records, caller, session, files);
            if (given) {
                own.call("session.get_uuid", session);
            }
            command.body().run(args, own, out);
        } finally {
            if (!given) {
                dispatcher.call(caller, "session.logout", List.of(session));
            }
        }
    }

    private String login(Caller caller, CliArgs args) {
        try {
            return (String)
                    dispatcher.call(
                            caller,
                            "session.login_with_password",
                            List.of(
                                    args.get("username", System.getProperty("user.name")),
                                    args.get("password", ""),
                                    "1.0",
                                    "xe"));
        } catch (StorageException e) {
            if (e.code() == ErrorCode.SESSION_AUTHENTICATION_FAILED) {
                throw UsageException.authentication();
            }
            throw e;
        }
    }

    /** Errors of the API in words. */
    private record FailureText(Database database) {
        String of(StorageException failure) {
            ErrorCode code = failure.code();
            StringBuilder text = new StringBuilder(failure.sentence());
            text.append("\nError code: ").append(code.wireName());
            if (code.isBackendFailure()) {
                // Scripts take the document from this line on, as the reference prints it.
                String document = failure.params().getLast();
                return document.isEmpty()
                        ? text.toString()
                        : text.append("\nError parameters: ")
                                .append(String.join(", ", failure.params()))
                                .toString();
            }
            List<String> names = code.parameters();
            for (int i = 0; i < names.size(); i++) {
                String value = failure.params().get(i);
                text.append('\n').append(names.get(i)).append(": ").append(shown(value));
            }
            return text.toString();
        }

        private String shown(String value) {
            return database.find(value).map(FailureText::shown).orElse(value);
        }

        private static String shown(ApiObject object) {
            boolean named = object.type().field("name_label").isPresent();
            return named ? object.uuid() + " (" + object.text("name_label") + ")" : object.uuid();
        }
    }
}
