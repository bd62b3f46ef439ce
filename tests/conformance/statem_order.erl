%% Carries the programs of statem_model.py out with OTP's own gen_statem and prints their traces.
%%
%% A program is #{enters, answers, on_enter, init, casts}; the n-th event that is handled gets the
%% n-th answer of its state, round and round, and after LIMIT events the state is only kept.
-module(statem_order).
-behaviour(gen_statem).
-export([main/1, callback_mode/0, init/1, handle_event/4]).

-define(LIMIT, 40).
-define(LATE, 3600000).

main(File) ->
    {ok, Programs} = file:consult(File),
    [io:format("~0p.~n", [trace(Program)]) || Program <- Programs].

trace(#{casts := Casts, enters := Enters} = Program) ->
    persistent_term:put(?MODULE, Enters),
    {ok, Pid} = gen_statem:start(?MODULE, {Program, self()}, []),
    ok = sys:suspend(Pid),
    [gen_statem:cast(Pid, Cast) || Cast <- Casts],
    ok = sys:resume(Pid),
    %% Answered after every cast, and after all that is due then.
    ok = sys:suspend(Pid),
    exit(Pid, kill),
    collected().

collected() ->
    receive
        {handled, What} -> [What | collected()]
    after 0 -> []
    end.

callback_mode() ->
    case persistent_term:get(?MODULE) of
        true -> [handle_event_function, state_enter];
        false -> handle_event_function
    end.

init({#{init := Actions} = Program, Collector}) ->
    {ok, a, {0, Program, Collector}, [action(Action) || Action <- Actions]}.

handle_event(Type, Content, State, {Number, Program, Collector}) ->
    Kind = kind(Type),
    Collector ! {handled, {State, Kind, Content}},
    Data = {Number + 1, Program, Collector},
    case answer(Kind, State, Number, Program) of
        {next, Next, Actions} -> {next_state, Next, Data, Actions};
        {keep, _, Actions} -> {keep_state, Data, Actions};
        {repeat, _, Actions} -> {repeat_state, Data, Actions}
    end.

answer(_, _, Number, _) when Number >= ?LIMIT ->
    {keep, none, []};
answer(Kind, State, Number, Program) ->
    Table = case Kind of enter -> on_enter; _ -> answers end,
    #{State := Answers} = maps:get(Table, Program),
    {What, Next, Actions} = lists:nth(1 + Number rem length(Answers), Answers),
    {What, Next, [action(Action) || Action <- Actions]}.

kind(state_timeout) -> state;
kind(timeout) -> event;
kind({timeout, Name}) -> Name;
kind(Type) -> Type.

action(postpone) -> postpone;
action({insert, Content}) -> {next_event, internal, Content};
action({set, Timer, true, Content}) -> {type(Timer), ?LATE, Content};
action({set, Timer, false, Content}) -> {type(Timer), 0, Content};
action({update, Timer, Content}) -> {type(Timer), update, Content};
action({cancel, Timer}) -> {type(Timer), cancel}.

type(state) -> state_timeout;
type(event) -> timeout;
type(Name) -> {timeout, Name}.
