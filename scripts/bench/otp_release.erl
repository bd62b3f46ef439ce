%% OTP's release handling of so many sessions: otp_release:main([Directory, Count]).
%% Directory has calls-1/ebin and calls-2/ebin, an application in two versions with its appup.
%% Prints: seconds of the upgrade, of the downgrade, and the longest wait of a session's caller in
%% each of them, seconds.
-module(otp_release).
-behaviour(application).
-behaviour(supervisor).
-export([main/1, start/2, stop/1, init/1]).

start(_, _) -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).

stop(_) -> ok.

init([]) ->
    Child = #{id => call, start => {otp_calls, start_link, []}, modules => [otp_calls]},
    {ok, {#{strategy => simple_one_for_one}, [Child]}}.

main([Directory, Count]) ->
    ok = logger:set_primary_config(level, none),
    [One, Two] = [filename:join(Directory, "calls-" ++ V) || V <- ["1", "2"]],
    true = code:add_patha(filename:join(One, "ebin")),
    ok = application:start(sasl),
    ok = application:start(calls),
    Sessions = [started(Number) || Number <- lists:seq(1, list_to_integer(Count))],
    Some = list_to_tuple(lists:sublist(Sessions, 1000)),
    9 = gen_server:call(hd(Sessions), version),
    {Up, UpWait} = measured(Some, fun() -> release_handler:upgrade_app(calls, Two) end),
    10 = gen_server:call(lists:last(Sessions), version, infinity),
    {Down, DownWait} = measured(Some, fun() -> release_handler:downgrade_app(calls, "1", One) end),
    9 = gen_server:call(lists:last(Sessions), version, infinity),
    io:format("~w ~w ~w ~w~n", [Up, Down, UpWait, DownWait]),
    halt(0).

started(Number) ->
    {ok, Pid} = supervisor:start_child(?MODULE, [Number]),
    Pid.

%% The longest wait of somebody who asks one session after the other meanwhile.
measured(Some, Change) ->
    Parent = self(),
    Asker = spawn_link(fun() -> ask(Parent, Some, 1, 0) end),
    {Microseconds, {ok, _}} = timer:tc(Change),
    Asker ! over,
    receive {longest, Longest} -> {Microseconds / 1000000, Longest / 1000000} end.

ask(Parent, Some, Number, Longest) ->
    receive
        over -> Parent ! {longest, Longest}
    after 0 ->
        {Waited, _} = timer:tc(fun() -> gen_server:call(element(Number, Some), touch, infinity) end),
        ask(Parent, Some, Number rem tuple_size(Some) + 1, max(Longest, Waited))
    end.
